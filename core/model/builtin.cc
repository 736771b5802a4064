#include "core/model/builtin.h"

#include <vector>

#include "absl/strings/str_join.h"
#include "core/base/os/files.h"
#include "core/base/os/library_path.h"

namespace raison {
namespace {

constexpr char kFileName[] = "petit.gguf";

}  // namespace

absl::StatusOr<std::string> FindBuiltinModel() {
  std::vector<std::string> places;
  if (const std::string named = EnvironmentVariable("RAISON_MODEL_PATH"); !named.empty()) {
    // Set on purpose: another model in its place would be a surprise.
    if (IsFile(named)) return named;
    const std::string inside = JoinPath(named, kFileName);
    if (IsFile(inside)) return inside;
    if (IsFile(JoinPath(named, "config.json"))) return named;
    return absl::NotFoundError(
        absl::StrCat("RAISON_MODEL_PATH is ", named, ", which is neither a file nor a folder with ",
                     kFileName, " or config.json"));
  }
  if (const std::string folder = LibraryFolder(); !folder.empty()) {
    places.push_back(JoinPath(folder, kFileName));
    places.push_back(JoinPath(JoinPath(FolderOf(folder), "share/raison"), kFileName));
    // Debian's lib/x86_64-linux-gnu is one folder deeper.
    places.push_back(JoinPath(JoinPath(FolderOf(FolderOf(folder)), "share/raison"), kFileName));
  }
  for (const std::string& place : places) {
    if (IsFile(place)) return place;
  }
  return absl::NotFoundError(absl::StrCat("the built-in model ", kFileName,
                                          " is not there; RAISON_MODEL_PATH is not set; tried ",
                                          absl::StrJoin(places, ", ")));
}

}  // namespace raison
