// raison selftest: every operation of the CPU back end against the reference on this machine. Over
// the static core: it must not include raison.hpp, whose classes have the core's names.
#include "core/backend/conformance/conformance.h"
#include "core/backend/cpu/cpu_backend.h"
#include "core/backend/reference/reference_backend.h"
#include "samples/cli/arguments.h"
#include "samples/cli/commands.h"
#include "samples/cli/errors.h"
#include "samples/cli/terminal.h"

namespace raison::cli {

int Selftest(const Words& words) {
  std::string only;
  bool verbose = false;
  Arguments arguments("selftest", "[OPTIONS]",
                      "Compares every operation of the CPU back end, as this machine's processor "
                      "runs it, with plain loops, checks that results do not depend on threads or "
                      "on the rest of a batch, and asks the model inside a question.");
  arguments.Section("Options");
  arguments.Text("--op", "NAME", &only, "only this operation: matmul, attention, moe_experts, ...");
  arguments.Flag("--verbose", &verbose, "the largest error of each kind");
  arguments.Example("RAISON_CPU=avx2 raison selftest", "a lower instruction level");
  if (!arguments.Parse(words)) {
    Print(arguments.Help());
    return kOk;
  }
  conformance::SuiteOptions options;
  options.subject = &OpenCpuBackend;
  options.reference = &OpenReferenceBackend;
  options.only_op = only;
  const auto report = conformance::RunSuite(options);
  if (!report.ok()) throw Failure(std::string(report.status().message()));
  if (report->run == 0) throw UsageError("--op: there is no operation \"" + only + "\"");
  std::string out;
  for (const std::string& failure : report->failures) out += "FAILED " + failure + "\n";
  if (verbose) {
    for (const auto& [key, worst] : report->worst) {
      out += Format("%-40s %.3g  ", key.c_str(), worst.error) + worst.where + "\n";
    }
  }
  out += Format("%d cases, %zu failed, %zu not offered by this back end\n", report->run,
                report->failures.size(), report->refused.size());
  std::string wrong;
  if (only.empty()) {
    wrong = CheckAnswer();
    out += wrong.empty() ? "the model inside answers\n" : "FAILED " + wrong + "\n";
  }
  Print(out);
  return report->failures.empty() && wrong.empty() ? kOk : kFailure;
}

}  // namespace raison::cli
