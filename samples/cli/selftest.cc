// raison selftest: every operation of a back end against the reference on this machine, then whole
// models, then an answer; or one part of that. Over the static core: it must not include raison.hpp,
// whose classes have the core's names.
#include <algorithm>

#include "absl/strings/match.h"
#include "core/backend/conformance/conformance.h"
#include "core/backend/cpu/cpu_backend.h"
#include "core/backend/reference/reference_backend.h"
#include "core/backend/registry.h"
#include "core/base/os/files.h"
#include "core/base/os/shared_library.h"
#include "core/model/builtin.h"
#include "core/model/end_to_end/end_to_end.h"
#include "samples/cli/arguments.h"
#include "samples/cli/commands.h"
#include "samples/cli/errors.h"
#include "samples/cli/interrupt.h"
#include "samples/cli/terminal.h"

namespace raison::cli {
namespace {

struct Subject {
  std::string device;        // "vulkan:1"
  std::string backend_path;  // where its plug-in is sought
  uint32_t index = 0;
  BackendOpenFunction open = nullptr;
};

[[noreturn]] void Fail(const absl::Status& status) { throw Failure(std::string(status.message())); }

// A path has a separator or ends as libraries do; anything else is the name of a device.
Subject FindSubject(const std::string& text) {
  Subject subject{.device = text};
  if (CheckBackendPath(FolderOfLibrary()).ok()) subject.backend_path = FolderOfLibrary();
  const bool is_path = BaseName(text) != text || absl::EndsWith(text, kLibrarySuffix);
  if (is_path) {
    if (const absl::Status plugin = CheckBackendPath(text); !plugin.ok()) Fail(plugin);
    subject.backend_path = text;
    const std::vector<Plugin> found = FindPlugins(text);
    if (found.empty() || found[0].file != text) throw Failure(text + " is not a file");
    subject.device = found[0].name;
  }
  const size_t colon = subject.device.find(':');
  const auto backend = FindBackend(subject.device.substr(0, colon), subject.backend_path);
  if (!backend.ok()) Fail(backend.status());
  subject.open = backend->open;
  const auto device = Device::Open(subject.device, {.backend_path = subject.backend_path});
  if (!device.ok()) Fail(device.status());
  subject.index = (*device)->index();
  return subject;
}

constexpr const char kModels[] = "models", kAnswer[] = "answer";

// What --op takes, in the order in which it runs: each operation of the kit, whole models, an answer.
std::vector<std::string> Parts() {
  std::vector<std::string> parts;
  for (const conformance::Case& c : conformance::AllCases()) {
    if (std::find(parts.begin(), parts.end(), c.op) == parts.end()) parts.push_back(c.op);
  }
  parts.insert(parts.end(), {kModels, kAnswer});
  return parts;
}

// Each part prints what it found, and returns whether all of it was right.

bool CheckOperations(const Subject& subject, const std::string& only, bool verbose) {
  conformance::SuiteOptions options;
  options.subject = subject.open;
  options.device = subject.index;
  options.weight_flags = RSN_WEIGHT_MAY_REFERENCE | RSN_WEIGHT_MAY_REPACK;  // as a model's are
  options.reference = &OpenReferenceBackend;
  options.only_op = only;
  options.stop = &Interrupt::Requested;
  const auto report = conformance::RunSuite(options);
  if (!report.ok()) Fail(report.status());
  Print(conformance::FormatReport(*report, verbose));
  if (Interrupt::Requested()) {
    Print("stopped: the cases behind these were not run\n");
    throw Interrupted();
  }
  return report->failures.empty();
}

bool CheckModels(const Subject& subject) {
  const auto device = Device::Open(subject.device, {.backend_path = subject.backend_path});
  const auto reference = Device::Open("reference", {});
  const auto trained = FindBuiltinModel();
  if (!device.ok()) Fail(device.status());
  if (!reference.ok()) Fail(reference.status());
  const auto report = conformance::RunEndToEnd({.subject = *device,
                                                .reference = *reference,
                                                .trained = trained.ok() ? *trained : "",
                                                .stop = &Interrupt::Requested});
  if (Interrupt::Requested()) throw Interrupted();
  if (!report.ok()) Fail(report.status());
  Print(conformance::FormatEndToEnd(*report));
  return report->failures.empty();
}

bool CheckQuestion(const Subject& subject) {
  const std::string wrong = CheckAnswer(subject.device, subject.backend_path);
  Print(wrong.empty() ? "the model inside answers\n" : "FAILED " + wrong + "\n");
  return wrong.empty();
}

}  // namespace

int Selftest(const Words& words) {
  std::string only, backend = "cpu";
  bool list = false, verbose = false;
  Arguments arguments("selftest", "[OPTIONS]",
                      "Compares every operation of a back end, as this machine runs it, with plain "
                      "loops, checks that results do not depend on threads or on the rest of a "
                      "batch, lets whole models read 1,000 tokens on it and on the plain loops, "
                      "and asks the model inside a question.");
  arguments.Section("Options");
  arguments.Text(
      "--backend", "NAME|PATH", &backend,
      "a device by its name (cpu, vulkan:0, ...) or a plug-in by its file; default: cpu");
  arguments.Text("--op", "NAME", &only,
                 "only this operation (matmul, attention, moe_experts, ...), the whole models "
                 "(models) or the question (answer)");
  arguments.Flag("--list", &list, "the names that --op takes, one a line");
  arguments.Flag("--verbose", &verbose, "the largest error of each kind, and what is not offered");
  arguments.Example("RAISON_CPU=avx2 raison selftest", "a lower instruction level");
  arguments.Example("raison selftest --backend ./libraison-example.so", "a back end of your own");
  if (!arguments.Parse(words)) {
    Print(arguments.Help());
    return kOk;
  }
  const std::vector<std::string> parts = Parts();
  if (list) {
    for (const std::string& part : parts) Print(part + "\n");
    return kOk;
  }
  if (!only.empty() && std::find(parts.begin(), parts.end(), only) == parts.end()) {
    throw UsageError("--op: there is no operation \"" + only + "\"; --list names them");
  }
  const Subject subject = FindSubject(backend);
  bool passed = true;
  if (only != kModels && only != kAnswer) passed &= CheckOperations(subject, only, verbose);
  if (only.empty() || only == kModels) passed &= CheckModels(subject);
  if (only.empty() || only == kAnswer) passed &= CheckQuestion(subject);
  return passed ? kOk : kFailure;
}

}  // namespace raison::cli
