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
  std::string op;    // "matmul"
  std::string name;  // "matmul/Q8_0/rows 17/..."
  // The same shapes for every seed; other contents.
  std::function<Problem(uint64_t seed)> make;
  // Rows whose result alone must have the batch's bits; SliceRow makes the lone problem unless
  // `alone` does.
  std::vector<int64_t> rows = {};
  std::function<Problem(uint64_t seed, int64_t row)> alone = {};
  // A back end may refuse this by `supports`.
  bool optional = false;
};

// Every case, in order of operation.
std::vector<Case> AllCases();

struct Worst {
  double error = 0;
  std::string where;
};
struct Report {
  int run = 0;
  std::vector<std::string> refused;    // optional cases that `supports` does not accept
  std::vector<std::string> failures;   // one sentence each
  std::map<std::string, Worst> worst;  // by tolerance key
};

struct SuiteOptions {
  OpenFunction subject = nullptr;
  OpenFunction reference = nullptr;
  std::vector<uint32_t> threads = {1, 2, 3};
  uint32_t weight_flags = 0;
  bool reference_bits = false;  // the subject promises the reference's bits (far)
  std::string only_op;          // empty: all
  size_t most_failures = 1000;  // stop there
  size_t every = 1;             // of an operation's cases only each n-th: for slow machines
};

// Runs the cases. An error is returned only when a back end does not open.
absl::StatusOr<Report> RunSuite(const SuiteOptions& options);

}  // namespace raison::conformance
