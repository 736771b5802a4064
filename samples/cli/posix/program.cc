#include "samples/cli/program.h"

#include <dlfcn.h>

#include "raison/raison.h"
#include "samples/cli/commands.h"

namespace raison::cli {

Words CommandLine(int argc, char** argv) { return Words(argv + (argc > 0 ? 1 : 0), argv + argc); }

std::string FolderOfLibrary() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&rsn_version_number), &info) == 0) return "";
  const std::string path = info.dli_fname != nullptr ? info.dli_fname : "";
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

}  // namespace raison::cli
