#include "core/base/cpu_features.h"

#include <sched.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

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

std::string ReadText(const std::string& path) {
  std::ifstream in(path);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  return text;
}

uint32_t Smaller(uint32_t a, uint32_t b) { return a == 0 ? b : b == 0 ? a : a < b ? a : b; }

// The tightest quota on the way from this process's group up to the root; 0 for none.
uint32_t CgroupCpus() {
  uint32_t best = 0;
  for (std::string_view line : absl::StrSplit(ReadText("/proc/self/cgroup"), '\n')) {
    const std::vector<std::string_view> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const bool v2 = parts[0] == "0" && parts[1].empty();
    bool v1 = false;
    for (std::string_view c : absl::StrSplit(parts[1], ',')) v1 |= c == "cpu";
    if (!v1 && !v2) continue;
    std::string path(parts[2] == "/" ? "" : parts[2]);
    // In a container the mounted root may already be this group: the walk ends at the root.
    while (true) {
      if (v2) {
        best = Smaller(best, QuotaCpus(ReadText(absl::StrCat("/sys/fs/cgroup", path, "/cpu.max"))));
      } else {
        for (const char* mount : {"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"}) {
          const std::string base = absl::StrCat(mount, path);
          best = Smaller(best, QuotaCpus(absl::StrCat(ReadText(base + "/cpu.cfs_quota_us"), " ",
                                                      ReadText(base + "/cpu.cfs_period_us"))));
        }
      }
      if (path.empty()) break;
      path.resize(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/'));
    }
  }
  return best;
}

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
  const char* wish = std::getenv("RAISON_CPU");
  if (wish == nullptr || *wish == '\0') return best;
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

std::string CpuModelName() {
  const std::string info = ReadText("/proc/cpuinfo");
  for (std::string_view line : absl::StrSplit(info, '\n')) {
    if (!absl::ConsumePrefix(&line, "model name")) continue;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    line.remove_prefix(colon + 1);
    return std::string(absl::StripAsciiWhitespace(line));
  }
  return "";
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
  uint32_t threads = 0;
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) threads = static_cast<uint32_t>(CPU_COUNT(&set));
#endif
  if (threads == 0) threads = std::thread::hardware_concurrency();
  threads = Smaller(threads, CgroupCpus());
  return threads == 0 ? 1 : threads;
}

}  // namespace raison
