// The selftest's last part, through the public headers: a whole answer of the model inside.
#include <dlfcn.h>

#include "raison/raison.hpp"
#include "samples/cli/commands.h"

namespace raison::cli {

std::string CheckAnswer(const std::string& device, const std::string& backend_path) {
  try {
    ModelOptions model;
    model.device = device;
    model.backend_path = backend_path;
    Session session{Model("", model)};
    GenerateOptions options;
    options.temperature = 0;
    session.Ask("What is 12 * 13?", options);
    session.Run();
    const std::string answer = session.Answer().text;
    return answer == "156" ? "" : "12 * 13 came out as \"" + answer + "\"";
  } catch (const Error& error) {
    return error.what();
  }
}

std::string FolderOfLibrary() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&rsn_version_number), &info) == 0) return "";
  const std::string path = info.dli_fname != nullptr ? info.dli_fname : "";
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

}  // namespace raison::cli
