#include "core/base/cpu_features.h"

#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/os/library_path.h"
#include "core/base/os/machine.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace raison {
namespace {

#if defined(__x86_64__)
struct Registers {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

Registers CpuId(uint32_t leaf, uint32_t sub) {
  Registers r;
  __get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d);
  return r;
}

// The register sets that the operating system saves (XCR0); a CPU bit alone is not a permission.
uint64_t SavedState() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

CpuLevel Detect() {
  const auto has = [](uint32_t reg, int bit) { return (reg >> bit & 1) != 0; };
  const Registers one = CpuId(1, 0);
  if (!has(one.c, 27)) return CpuLevel::kBaseline;  // OSXSAVE: without it xgetbv is illegal
  const uint64_t saved = SavedState();
  constexpr uint64_t kYmm = 0x6, kZmm = 0xe6;  // SSE|AVX; and opmask|ZMM_Hi256|Hi16_ZMM
  const Registers seven = CpuId(7, 0);
  const bool avx2 = (saved & kYmm) == kYmm && has(one.c, 28) && has(one.c, 12) && has(one.c, 29) &&
                    has(seven.b, 5);  // AVX, FMA, F16C, AVX2
  if (!avx2) return CpuLevel::kBaseline;
  const bool avx512 = (saved & kZmm) == kZmm && has(seven.b, 16) && has(seven.b, 17) &&
                      has(seven.b, 30) && has(seven.b, 31) && has(seven.c, 11);  // F DQ BW VL VNNI
  return avx512 ? CpuLevel::kAvx512 : CpuLevel::kAvx2;
}
#elif defined(__aarch64__) && defined(__linux__)
CpuLevel Detect() {
  constexpr unsigned long kDotProduct = 1ul << 20;  // HWCAP_ASIMDDP
  return (getauxval(AT_HWCAP) & kDotProduct) != 0 ? CpuLevel::kNeon : CpuLevel::kBaseline;
}
#else
CpuLevel Detect() { return CpuLevel::kBaseline; }
#endif

}  // namespace

std::string_view CpuLevelName(CpuLevel level) {
  switch (level) {
    case CpuLevel::kBaseline: return "baseline";
    case CpuLevel::kAvx2: return "avx2";
    case CpuLevel::kAvx512: return "avx512";
    case CpuLevel::kNeon: return "neon";
  }
  return "baseline";
}

CpuLevel DetectCpuLevel() {
  static const CpuLevel level = Detect();
  return level;
}

CpuLevel ChooseCpuLevel(std::string* warning) {
  const CpuLevel best = DetectCpuLevel();
  const std::string wish = EnvironmentVariable("RAISON_CPU");
  if (wish.empty()) return best;
  for (CpuLevel level :
       {CpuLevel::kBaseline, CpuLevel::kAvx2, CpuLevel::kAvx512, CpuLevel::kNeon}) {
    if (CpuLevelName(level) != wish) continue;
    const bool neon_machine = best == CpuLevel::kNeon;
    const bool possible = level == CpuLevel::kBaseline || level == best ||
                          (!neon_machine && level != CpuLevel::kNeon && level < best);
    if (possible) return level;
    break;
  }
  if (warning != nullptr) {
    *warning = absl::StrCat("RAISON_CPU=", wish, " is not a level of this processor; using ",
                            CpuLevelName(best));
  }
  return best;
}

uint32_t QuotaCpus(std::string_view cpu_max) {
  const std::vector<std::string_view> parts =
      absl::StrSplit(cpu_max, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty());
  int64_t quota = 0, period = 0;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &quota) ||
      !absl::SimpleAtoi(parts[1], &period) || quota <= 0 || period <= 0) {
    return 0;
  }
  // Rounded down: one more spinning thread than the quota pays for gets all of them throttled.
  const int64_t cpus = quota / period;
  return static_cast<uint32_t>(cpus < 1 ? 1 : cpus > 1024 ? 1024 : cpus);
}

uint32_t DefaultThreads() {
  if (const uint32_t allowed = AllowedCpus(); allowed != 0) return allowed;
  const uint32_t all = std::thread::hardware_concurrency();
  return all == 0 ? 1 : all;
}

}  // namespace raison
