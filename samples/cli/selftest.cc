// raison selftest: every operation of a back end against the reference on this machine, then whole
// models, then an answer. Over the static core: it must not include raison.hpp, whose classes have
// the core's names.
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
  Subject subject{.device = text, .backend_path = FolderOfLibrary()};
  const bool is_path = BaseName(text) != text || absl::EndsWith(text, kLibrarySuffix);
  if (is_path) {
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

struct Outcome {
  std::string text;
  bool passed = true;
};

Outcome CheckOperations(const Subject& subject, const std::string& only, bool verbose) {
  conformance::SuiteOptions options;
  options.subject = subject.open;
  options.device = subject.index;
  options.weight_flags = RSN_WEIGHT_MAY_REFERENCE | RSN_WEIGHT_MAY_REPACK;  // as a model's are
  options.reference = &OpenReferenceBackend;
  options.only_op = only;
  options.stop = &Interrupt::Requested;
  const auto report = conformance::RunSuite(options);
  if (Interrupt::Requested()) throw Interrupted();
  if (!report.ok()) Fail(report.status());
  if (report->run == 0 && report->refused.empty()) {
    throw UsageError("--op: there is no operation \"" + only + "\"");
  }
  return {conformance::FormatReport(*report, verbose), report->failures.empty()};
}

Outcome CheckModels(const Subject& subject) {
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
  return {conformance::FormatEndToEnd(*report), report->failures.empty()};
}

}  // namespace

int Selftest(const Words& words) {
  std::string only, backend = "cpu";
  bool verbose = false;
  Arguments arguments("selftest", "[OPTIONS]",
                      "Compares every operation of a back end, as this machine runs it, with plain "
                      "loops, checks that results do not depend on threads or on the rest of a "
                      "batch, lets whole models read 1,000 tokens on it and on the plain loops, "
                      "and asks the model inside a question.");
  arguments.Section("Options");
  arguments.Text(
      "--backend", "NAME|PATH", &backend,
      "a device by its name (cpu, vulkan:0, ...) or a plug-in by its file; default: cpu");
  arguments.Text("--op", "NAME", &only, "only this operation: matmul, attention, moe_experts, ...");
  arguments.Flag("--verbose", &verbose, "the largest error of each kind, and what is not offered");
  arguments.Example("RAISON_CPU=avx2 raison selftest", "a lower instruction level");
  arguments.Example("raison selftest --backend ./libraison-example.so", "a back end of your own");
  if (!arguments.Parse(words)) {
    Print(arguments.Help());
    return kOk;
  }
  const Subject subject = FindSubject(backend);
  Outcome outcome = CheckOperations(subject, only, verbose);
  Print(outcome.text);
  bool passed = outcome.passed;
  if (!only.empty()) return passed ? kOk : kFailure;

  outcome = CheckModels(subject);
  Print(outcome.text);
  passed &= outcome.passed;
  const std::string wrong = CheckAnswer(subject.device, subject.backend_path);
  Print(wrong.empty() ? "the model inside answers\n" : "FAILED " + wrong + "\n");
  return passed && wrong.empty() ? kOk : kFailure;
}

}  // namespace raison::cli
