// Every shader once under the validation layer, direct and recorded: any complaint is an error of
// the queue, so silence is success. The layer is loaded into the process, hence a program of its
// own.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "core/backend/conformance/bench.h"
#include "core/backend/conformance/conformance.h"
#include "tests/backend/vulkan_plugin.h"

namespace raison {
namespace {

int32_t OpenValidated(const rsn_backend_host* host, rsn_backend* table) {
  setenv("RAISON_VULKAN_VALIDATE", "1", 1);
  setenv("RAISON_VULKAN_USE", "dot,quads", 1);  // also what llvmpipe does not call fast
  return OpenPlugin(host, table);
}

TEST(VulkanValidation, IsSilent) {
  rsn_backend table{};
  table.struct_size = sizeof table;
  const rsn_backend_host host{.struct_size = sizeof host};
  if (OpenValidated(&host, &table) != 0) {
    const std::string why = table.last_error != nullptr ? table.last_error() : "";
    GTEST_SKIP() << "no Vulkan driver or no validation layer (Debian: mesa-vulkan-drivers, "
                    "vulkan-validationlayers): "
                 << why;
  }
  const auto bench = conformance::Bench::Open({.open = OpenValidated, .threads = 1});
  ASSERT_TRUE(bench.ok()) << bench.status();
  std::map<std::string, int> seen;
  int run = 0;
  for (const conformance::Case& c : conformance::AllCases()) {
    if (c.rule) continue;  // no operation's
    // The first of each operation, then every 25th: all element types of the products.
    if (seen[c.op]++ % 25 != 0) continue;
    for (const conformance::Mode mode :
         {conformance::Mode::kDirect, conformance::Mode::kRecorded}) {
      const auto got = (*bench)->Run(c.make(1), mode);
      ASSERT_TRUE(got.ok()) << c.name << ": " << got.status();
    }
    ++run;
  }
  EXPECT_GE(run, 14);
  EXPECT_EQ(seen.size(), 15u) << "an operation is missing";
}

}  // namespace
}  // namespace raison
