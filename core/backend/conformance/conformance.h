// The conformance kit: every operation x dtype x awkward shape of a back end against the reference,
// with the tolerance table, and the promises of backend.h (rows independent of the batch, thread
// counts without influence, replay equal to direct execution, nothing written outside a view).
// Prints nothing; a test or a command shows the report.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/backend/conformance/bench.h"
#include "core/backend/conformance/problem.h"
#include "core/base/status.h"

namespace raison::conformance {

struct Case {
  std::string op;    // "matmul"; "table": what belongs to no operation
  std::string name;  // "matmul/Q8_0/rows 17/..."
  // The same shapes for every seed; other contents.
  std::function<Problem(uint64_t seed)> make = {};
  // Rows whose result alone must have the batch's bits; SliceRow makes the lone problem unless
  // `alone` does.
  std::vector<int64_t> rows = {};
  std::function<Problem(uint64_t seed, int64_t row)> alone = {};
  // A back end may refuse this by `supports`. So it may any case with a type beside f32 (the least
  // that all take: f32 weights, f32 keys and values), by `supports` or when it is given the weight.
  bool optional = false;
  // Instead of `make`, for "table": what must hold of the table itself.
  std::function<absl::Status(Bench&)> rule = {};
};

// Every case, in order of operation.
std::vector<Case> AllCases();

struct Worst {
  double error = 0;
  std::string where;
};
struct Refusal {
  std::string name;  // of the case
  std::string op;
  std::string types;  // beside f32: "Q4_K, F16"; empty: an optional operation
  std::string why;
};
struct Report {
  int run = 0;                         // cases that were judged; the refused ones were not
  std::vector<Refusal> refused;        // never counted as passed
  std::vector<std::string> failures;   // one sentence each
  std::map<std::string, Worst> worst;  // by tolerance key
};

struct SuiteOptions {
  OpenFunction subject = nullptr;
  OpenFunction reference = nullptr;
  // Every case runs with each of these, as soon as the back end has asked for a thread of the host's
  // (a card's never does); the first is to have more than one.
  std::vector<uint32_t> threads = {2, 1, 3};
  uint32_t device = 0;  // the subject's, by its number
  uint32_t weight_flags = 0;
  bool reference_bits = false;  // the subject promises the reference's bits (far)
  std::string only_op;          // empty: all
  std::string only_case;        // of them those whose name begins so; empty: all
  size_t most_failures = 1000;  // stop there
  bool (*stop)() = nullptr;     // asked between cases; true ends the run
  size_t every = 1;             // of an operation's cases only each n-th: for slow machines
};

// Runs the cases. An error is returned only when a back end does not open.
absl::StatusOr<Report> RunSuite(const SuiteOptions& options);

// Lines for people: failures, refusals by reason, the counts; verbose: the largest error of each
// kind.
std::string FormatReport(const Report& report, bool verbose);

}  // namespace raison::conformance
