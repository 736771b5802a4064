#include "core/base/os/files.h"

#include <algorithm>

namespace raison {
namespace {

#if defined(_WIN32)
constexpr std::string_view kSeparators = "/\\";
#else
constexpr std::string_view kSeparators = "/";
#endif

bool IsSeparator(char c) { return kSeparators.find(c) != kSeparators.npos; }

std::string_view TrimSeparators(std::string_view path) {
  while (path.size() > 1 && IsSeparator(path.back())) path.remove_suffix(1);
  return path;
}

}  // namespace

std::string JoinPath(std::string_view folder, std::string_view name) {
  if (folder.empty()) return std::string(name);
  return absl::StrCat(folder, IsSeparator(folder.back()) ? "" : "/", name);
}

std::string BaseName(std::string_view path) {
  path = TrimSeparators(path);
  const size_t slash = path.find_last_of(kSeparators);
  return std::string(slash == path.npos || path.size() == 1 ? path : path.substr(slash + 1));
}

std::string FolderOf(std::string_view path) {
  path = TrimSeparators(path);
  const size_t slash = path.find_last_of(kSeparators);
  if (slash == path.npos) return ".";
  return std::string(path.substr(0, std::max<size_t>(slash, 1)));
}

}  // namespace raison
