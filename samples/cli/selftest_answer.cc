// The selftest's last part, through the public headers: a whole answer of the model inside.
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

}  // namespace raison::cli
