#include "core/base/os/machine.h"

#include <sched.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/cpu_features.h"

namespace raison {
namespace {

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

uint32_t AllowedCpus() {
  uint32_t cpus = 0;
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = static_cast<uint32_t>(CPU_COUNT(&set));
#endif
  if (cpus == 0) cpus = std::thread::hardware_concurrency();
  return Smaller(cpus, CgroupCpus());
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

MachineMemory ReadMachineMemory() {
  const int64_t pages = sysconf(_SC_PHYS_PAGES), free_pages = sysconf(_SC_AVPHYS_PAGES),
                page = sysconf(_SC_PAGESIZE);
  return {.total = pages > 0 ? static_cast<uint64_t>(pages * page) : 0,
          .free = free_pages > 0 ? static_cast<uint64_t>(free_pages * page) : 0};
}

}  // namespace raison
