#include "samples/cli/hub.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "core/base/os/library_path.h"
#include "samples/cli/errors.h"
#include "samples/cli/paths.h"

namespace raison::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "hf:";

// As huggingface_hub finds it.
fs::path CacheFolder() {
  if (const std::string hub = EnvironmentVariable("HF_HUB_CACHE"); !hub.empty()) {
    return ToPath(hub);
  }
  if (const std::string home = EnvironmentVariable("HF_HOME"); !home.empty()) {
    return ToPath(home) / "hub";
  }
  if (const std::string xdg = EnvironmentVariable("XDG_CACHE_HOME"); !xdg.empty()) {
    return ToPath(xdg) / "huggingface" / "hub";
  }
#if defined(_WIN32)
  const char* const home = "USERPROFILE";
#else
  const char* const home = "HOME";
#endif
  return ToPath(EnvironmentVariable(home)) / ".cache" / "huggingface" / "hub";
}

// One word: no way out of the cache folder, by whatever separates on this system.
bool IsPlain(const std::string& part) {
  const fs::path path = ToPath(part);
  return !part.empty() && part != "." && part != ".." && part.find('\0') == std::string::npos &&
         !path.has_parent_path() && !path.has_root_name();
}

struct Name {
  std::string owner, repo, file;  // file may lie in folders
};

Name ParseName(const std::string& model) {
  const std::string rest = model.substr(kPrefix.size());
  const size_t first = rest.find('/');
  const size_t second = first == std::string::npos ? first : rest.find('/', first + 1);
  Name name;
  if (second != std::string::npos) {
    name = {rest.substr(0, first), rest.substr(first + 1, second - first - 1),
            rest.substr(second + 1)};
  }
  bool plain = IsPlain(name.owner) && IsPlain(name.repo);
  for (const fs::path& part : ToPath(name.file)) plain = plain && IsPlain(ToText(part));
  if (!plain || name.file.empty() || ToPath(name.file).is_absolute()) {
    throw UsageError("\"" + model + "\" is not of the form hf:owner/repo/file");
  }
  return name;
}

}  // namespace

std::string ResolveModelPath(const std::string& model) {
  if (model.compare(0, kPrefix.size(), kPrefix) != 0) return model;
  const Name name = ParseName(model);
  const fs::path folder = CacheFolder() / ToPath("models--" + name.owner + "--" + name.repo);
  const fs::path snapshots = folder / "snapshots";
  std::error_code error;

  std::ifstream ref(folder / "refs" / "main");
  std::string revision;
  if (ref >> revision && IsPlain(revision) && revision.find('/') == std::string::npos) {
    const fs::path file = snapshots / revision / ToPath(name.file);
    if (fs::exists(file, error)) return ToText(file);
  }
  fs::path newest;
  fs::file_time_type newest_time;
  for (const fs::directory_entry& entry : fs::directory_iterator(snapshots, error)) {
    const fs::path file = entry.path() / ToPath(name.file);
    if (!fs::exists(file, error)) continue;
    const fs::file_time_type time = fs::last_write_time(file, error);
    if (newest.empty() || time > newest_time) {
      newest = file;
      newest_time = time;
    }
  }
  if (!newest.empty()) return ToText(newest);
  const std::string repo = name.owner + "/" + name.repo;
  throw Failure(name.file + " of " + repo + " is not in the local Hugging Face cache (" +
                ToText(folder) + "). Raison never downloads; get it with: hf download " + repo +
                " " + name.file);
}

}  // namespace raison::cli
