#include "core/backend/conformance/conformance.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/backend/conformance/cases.h"
#include "core/backend/conformance/tolerances.h"
#include "core/backend/reference/operands.h"
#include "core/base/half.h"

namespace raison::conformance {
namespace {

constexpr uint64_t kSeed = 1;
constexpr uint64_t kOtherSeed = 2;

double ValueAt(const std::vector<std::byte>& bytes, uint64_t at, uint32_t dtype) {
  if (dtype == RSN_DTYPE_F32) {
    float f;
    std::memcpy(&f, &bytes[at], 4);
    return f;
  }
  if (dtype == RSN_DTYPE_I32) {
    int32_t i;
    std::memcpy(&i, &bytes[at], 4);
    return i;
  }
  uint16_t h;
  std::memcpy(&h, &bytes[at], 2);
  return dtype == RSN_DTYPE_F16 ? F16ToF32(h) : BF16ToF32(h);
}

bool SameElement(const std::vector<std::byte>& a, uint64_t at_a, const std::vector<std::byte>& b,
                 uint64_t at_b, uint32_t dtype) {
  const size_t size = Traits(static_cast<DType>(dtype)).bytes;
  if (std::memcmp(&a[at_a], &b[at_b], size) == 0) return true;
  return dtype != RSN_DTYPE_I32 && std::isnan(ValueAt(a, at_a, dtype)) &&
         std::isnan(ValueAt(b, at_b, dtype));
}

// The first element of a view whose bits differ, or -1. The views have the same shape.
int64_t FirstDifference(const Contents& a, const rsn_tensor& view_a, const Contents& b,
                        const rsn_tensor& view_b) {
  std::vector<uint64_t> offsets;
  ForEachElement(view_b, [&](uint64_t at) { offsets.push_back(at); });
  int64_t index = 0, found = -1;
  ForEachElement(view_a, [&](uint64_t at) {
    const size_t i = static_cast<size_t>(index++);
    if (found < 0 && !SameElement(a[BlobOf(view_a.buffer)], at, b[BlobOf(view_b.buffer)],
                                  offsets[i], view_a.dtype)) {
      found = static_cast<int64_t>(i);
    }
  });
  return found;
}

// The element types of a problem beside f32 and i32: "Q4_K, F16"; empty: it needs only the least
// that every back end takes.
std::string TypesBesideF32(const Problem& problem) {
  std::vector<std::string> types;
  const auto look = [&](const rsn_tensor& t) {
    if (t.rank == 0 || t.dtype == RSN_DTYPE_F32 || t.dtype == RSN_DTYPE_I32) return;
    const std::string name = TypeName(t.dtype);
    if (std::find(types.begin(), types.end(), name) == types.end()) types.push_back(name);
  };
  for (const AnyOp& op : problem.ops) {
    std::visit([&](const auto& args) { reference::Operands(args, look); }, op);
  }
  return absl::StrJoin(types, ", ");
}

class Suite {
 public:
  Suite(const SuiteOptions& options, Report& report) : options_(options), report_(report) {}

  absl::Status Open() {
    RSN_ASSIGN_OR_RETURN(reference_, Bench::Open({.open = options_.reference, .threads = 2}));
    for (uint32_t threads : options_.threads) {
      RSN_ASSIGN_OR_RETURN(std::unique_ptr<Bench> bench,
                           Bench::Open({.open = options_.subject,
                                        .device = options_.device,
                                        .threads = threads,
                                        .weight_flags = options_.weight_flags}));
      subjects_.push_back(std::move(bench));
    }
    return absl::OkStatus();
  }

  void Check(const Case& c) {
    case_ = &c;
    if (c.rule) return CheckRule(c);
    const Problem problem = c.make(kSeed);
    const absl::StatusOr<Contents> got = subjects_[0]->Run(problem, Mode::kDirect);
    const std::string types = TypesBesideF32(problem);
    if (absl::IsUnimplemented(got.status()) && (c.optional || !types.empty())) {
      report_.refused.push_back({c.name, c.op, types, std::string(got.status().message())});
      return;
    }
    ++report_.run;
    if (!got.ok()) return Fail("", got.status().message());
    const absl::StatusOr<Contents> want = reference_->Run(problem, Mode::kDirect);
    if (!want.ok()) return Fail("reference", want.status().message());
    for (const Output& output : problem.outputs) Compare(output, *got, *want);
    CheckUntouched(problem, *got);
    CheckThreads(problem, *got);
    CheckReplay(problem, *got);
    CheckRows(problem, *got);
  }

 private:
  void Fail(std::string_view what, std::string_view text) {
    report_.failures.push_back(
        absl::StrCat(case_->name, ": ", what, what.empty() ? "" : ": ", text));
  }

  void CheckRule(const Case& c) {
    Bench& bench = *subjects_[0];
    ++report_.run;
    const absl::Status status = c.rule(bench);
    if (status.ok()) return;
    bench.table().synchronize(bench.queue());  // the next case is not blamed
    Fail("", status.message());
  }

  void Compare(const Output& output, const Contents& got, const Contents& want) {
    if (output.rule == Rule::kBits || options_.reference_bits) {
      const int64_t at = FirstDifference(got, output.view, want, output.view);
      if (at >= 0) {
        Fail(output.what, absl::StrCat("element ", at, " is ", Element(got, output.view, at),
                                       ", the reference has ", Element(want, output.view, at)));
      }
      return;
    }
    const Tolerance* tolerance = FindTolerance(output.tolerance);
    if (tolerance == nullptr) return Fail(output.what, "its tolerance is not in the table");
    std::vector<Definition> definitions;
    if (output.rule == Rule::kGiven) {
      definitions = output.definitions();
    } else {
      definitions = {FromReference(output, want)};
    }
    std::vector<int64_t> borders = output.borders;
    borders.push_back(INT64_MAX);
    int64_t begin = 0;
    for (const int64_t end : borders) {
      double least = INFINITY;
      std::string complaint;
      for (const Definition& d : definitions) {
        std::string text;
        const double error =
            ErrorAgainst(d, output, got, {begin, end, tolerance->allowed}, text);
        if (error < least || complaint.empty()) complaint = text;
        least = std::min(least, error);
      }
      begin = end;
      Worst& worst = report_.worst[output.tolerance];
      if (std::isfinite(least) && least > worst.error) worst = {least, case_->name};
      if (!(least <= tolerance->allowed)) Fail(output.what, complaint);
    }
  }

  Definition FromReference(const Output& output, const Contents& want) {
    Definition d{.name = "the reference", .want = {}, .magnitude = {}};
    const rsn_tensor& view = output.view;
    ForEachElement(view, [&](uint64_t at) {
      d.want.push_back(ValueAt(want[BlobOf(view.buffer)], at, view.dtype));
    });
    const size_t rows = static_cast<size_t>(std::max<int64_t>(view.shape[0], 1));
    const size_t width = std::max<size_t>(d.want.size() / rows, 1);
    for (size_t i = 0; i < d.want.size(); ++i) {
      double magnitude = std::fabs(d.want[i]);
      if (output.rule == Rule::kUnit) magnitude = std::max(1.0, magnitude);
      if (output.rule == Rule::kRow) {
        for (size_t j = i / width * width; j < (i / width + 1) * width; ++j) {
          if (std::isfinite(d.want[j])) magnitude = std::max(magnitude, std::fabs(d.want[j]));
        }
      }
      d.magnitude.push_back(magnitude);
    }
    return d;
  }

  // Rows [begin, end) of an output, and their tolerance.
  struct Part {
    int64_t begin, end;
    double allowed;
  };

  // The largest scaled error; infinite where one side is finite and the other is not.
  double ErrorAgainst(const Definition& d, const Output& output, const Contents& got,
                      const Part& part, std::string& text) {
    // Below this everything is as good as zero: sums of subnormal products keep no relative
    // accuracy.
    constexpr double kFloor = 1e-30;
    double worst = 0;
    size_t next = 0;
    const int64_t rows = std::max<int64_t>(output.view.shape[0], 1);
    const int64_t of_row = std::max<int64_t>(static_cast<int64_t>(d.want.size()) / rows, 1);
    ForEachElement(output.view, [&](uint64_t at) {
      const size_t i = next++;
      const int64_t row = static_cast<int64_t>(i) / of_row;
      if (row < part.begin || row >= part.end) return;
      const double value = ValueAt(got[BlobOf(output.view.buffer)], at, output.view.dtype);
      const double want = d.want[i], magnitude = d.magnitude[i];
      // A product beyond f32 may become an infinity or a NaN.
      const bool want_finite = std::isfinite(want) && std::fabs(want) <= 3.4e38;
      const double slack = d.slack.empty() ? 0 : d.slack[i];
      double error = std::max(std::fabs(value - want) - slack, 0.0) / std::max(magnitude, kFloor);
      if (!want_finite || !std::isfinite(value)) {
        error = want_finite != std::isfinite(value) ? INFINITY : 0;
      }
      if (error > worst) {
        worst = error;
        if (error > part.allowed) {
          text = absl::StrCat("element ", i, " is ", value, ", by definition (", d.name, ") ", want,
                              ", error ", error, " of ", magnitude, ", allowed ", part.allowed);
        }
      }
    });
    return worst;
  }

  std::string Element(const Contents& contents, const rsn_tensor& view, int64_t index) {
    std::string text;
    int64_t i = 0;
    ForEachElement(view, [&](uint64_t at) {
      if (i++ == index) {
        text = absl::StrCat(ValueAt(contents[BlobOf(view.buffer)], at, view.dtype));
      }
    });
    return text;
  }

  // What no output covers must be as it was uploaded. Blobs without outputs are inputs; an
  // operation may write a part of its inputs only where the problem expects it (in place).
  void CheckUntouched(const Problem& problem, const Contents& got) {
    std::vector<std::vector<bool>> covered(problem.blobs.size());
    for (size_t b = 0; b < problem.blobs.size(); ++b)
      covered[b].resize(problem.blobs[b].bytes.size());
    std::vector<rsn_tensor> written = problem.ignored;
    for (const Output& output : problem.outputs) written.push_back(output.view);
    for (const rsn_tensor& view : written) {
      const size_t size = Traits(static_cast<DType>(view.dtype)).bytes;
      ForEachElement(view, [&](uint64_t at) {
        for (size_t i = 0; i < size; ++i) covered[BlobOf(view.buffer)][at + i] = true;
      });
    }
    for (size_t b = 0; b < problem.blobs.size(); ++b) {
      if (problem.blobs[b].weight) continue;
      for (size_t i = 0; i < got[b].size(); ++i) {
        if (!covered[b][i] && got[b][i] != problem.blobs[b].bytes[i]) {
          return Fail("", absl::StrCat("byte ", i, " of buffer ", b, " was written"));
        }
      }
    }
  }

  void CheckSameBits(const char* what, const Problem& problem,
                     const absl::StatusOr<Contents>& other, const Contents& got) {
    if (!other.ok()) return Fail(what, other.status().message());
    for (const Output& output : problem.outputs) {
      const int64_t at = FirstDifference(*other, output.view, got, output.view);
      if (at >= 0) {
        return Fail(what, absl::StrCat(output.what, ", element ", at, " is ",
                                       Element(*other, output.view, at), " instead of ",
                                       Element(got, output.view, at)));
      }
    }
  }

  void CheckThreads(const Problem& problem, const Contents& got) {
    if (!subjects_[0]->AskedForThreads()) return;
    for (size_t s = 1; s < subjects_.size(); ++s) {
      CheckSameBits("with another thread count", problem, subjects_[s]->Run(problem, Mode::kDirect),
                    got);
    }
  }

  void CheckReplay(const Problem& problem, const Contents& got) {
    if (!subjects_[0]->CanRecord()) return;
    CheckSameBits("recorded", problem, subjects_[0]->Run(problem, Mode::kRecorded), got);
    // Weights stay what they were when recorded: only uploaded buffers have new contents.
    Problem mixed = case_->make(kOtherSeed);
    for (size_t b = 0; b < mixed.blobs.size(); ++b) {
      if (mixed.blobs[b].weight) mixed.blobs[b] = problem.blobs[b];
    }
    const absl::StatusOr<Contents> expected = subjects_[0]->Run(mixed, Mode::kDirect);
    if (!expected.ok()) return Fail("other contents", expected.status().message());
    CheckSameBits("replayed with other contents", mixed, subjects_[0]->Replay(problem, mixed),
                  *expected);
  }

  void CheckRows(const Problem& problem, const Contents& got) {
    for (int64_t row : case_->rows) {
      Problem alone;
      if (case_->alone) {
        alone = case_->alone(kSeed, row);
      } else if (!SliceRow(problem, row, alone)) {
        return Fail("", "the case has no form with one row");
      }
      const absl::StatusOr<Contents> lone = subjects_[0]->Run(alone, Mode::kDirect);
      if (!lone.ok()) return Fail("a row alone", lone.status().message());
      for (size_t o = 0; o < problem.outputs.size(); ++o) {
        rsn_tensor in_batch = problem.outputs[o].view;
        in_batch.offset += static_cast<uint64_t>(row * in_batch.stride[0]);
        in_batch.shape[0] = 1;
        rsn_tensor by_itself = in_batch;
        if (case_->alone) by_itself = alone.outputs[o].view;
        if (FirstDifference(*lone, by_itself, got, in_batch) >= 0) {
          Fail(problem.outputs[o].what,
               absl::StrCat("row ", row, " alone has other bits than in the batch"));
        }
      }
    }
  }

  const SuiteOptions& options_;
  Report& report_;
  std::unique_ptr<Bench> reference_;
  std::vector<std::unique_ptr<Bench>> subjects_;
  const Case* case_ = nullptr;
};

}  // namespace

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  AddDenseCases(cases);
  AddMatmulCases(cases);
  AddAttentionCases(cases);
  AddMoeCases(cases);
  AddLogitCases(cases);
  AddTableCases(cases);
  return cases;
}

std::string FormatReport(const Report& report, bool verbose) {
  std::string out;
  for (const std::string& failure : report.failures)
    absl::StrAppend(&out, "FAILED ", failure, "\n");
  // One line for each type: hundreds of cases are refused for one.
  std::map<std::string, std::map<std::string, int>> refused;
  for (const Refusal& r : report.refused) ++refused[r.types][r.op];
  for (const auto& [types, ops] : refused) {
    absl::StrAppend(&out, "not offered, ", types.empty() ? "optional" : types, ":");
    for (const auto& [op, cases] : ops) absl::StrAppend(&out, " ", op, " (", cases, ")");
    absl::StrAppend(&out, "\n");
  }
  if (verbose) {
    for (const auto& [key, worst] : report.worst) {
      const Tolerance* tolerance = FindTolerance(key.c_str());
      absl::StrAppend(&out, "largest error ", key, ": ", worst.error, " of ",
                      tolerance == nullptr ? 0 : tolerance->allowed, " in ", worst.where, "\n");
    }
  }
  absl::StrAppend(&out, report.run, " cases, ", report.failures.size(), " failed, ",
                  report.refused.size(), " not offered by this back end\n");
  return out;
}

absl::StatusOr<Report> RunSuite(const SuiteOptions& options) {
  Report report;
  Suite suite(options, report);
  RSN_RETURN_IF_ERROR(suite.Open());
  size_t seen = 0;
  for (const Case& c : AllCases()) {
    if (report.failures.size() >= options.most_failures) break;
    if (options.stop != nullptr && options.stop()) break;
    if (!options.only_op.empty() && options.only_op != c.op) continue;
    if (!c.name.starts_with(options.only_case)) continue;
    if (seen++ % std::max<size_t>(options.every, 1) == 0) suite.Check(c);
  }
  return report;
}

}  // namespace raison::conformance
