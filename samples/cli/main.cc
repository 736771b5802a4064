// raison: the command-line tool. Chooses the command, and turns what a command throws into a
// sentence on standard error and an exit status.
#include <cstdio>
#include <cstring>
#include <new>

#include "raison/raison.hpp"
#include "samples/cli/commands.h"
#include "samples/cli/errors.h"
#include "samples/cli/interrupt.h"
#include "samples/cli/program.h"
#include "samples/cli/terminal.h"

namespace raison::cli {
namespace {

struct Command {
  const char* name;
  int (*call)(const Words&);
  const char* about;
};

constexpr Command kCommands[] = {
    {"run", Run, "ask one question and watch the reasoning"},
    {"chat", Chat, "talk, look into steps, rewind them"},
    {"inspect", Inspect, "what a model file holds and how much memory it needs"},
    {"convert", Convert, "turn a Hugging Face folder into a GGUF file"},
    {"bench", Bench, "measure tokens per second"},
    {"tokenize", Tokenize, "text to tokens"},
    {"devices", ListDevices, "what models can be loaded on here"},
    {"selftest", Selftest, "check this build on this machine"},
};

std::string Help() {
  std::string out =
      "raison runs open reasoning models on your own hardware, and shows how they reason.\n\n"
      "Usage: raison COMMAND [OPTIONS]\n\nCommands:\n";
  for (const Command& command : kCommands) {
    out += Format("  %-10s %s\n", command.name, command.about);
  }
  out +=
      "\nraison COMMAND --help explains a command, raison --version says which version this is.\n"
      "\nThe first minute:\n"
      "  raison run \"How many r's are in strawberry?\"\n"
      "  raison run --model FILE.gguf \"...\"      (docs/models.md names files)\n"
      "\nExit status: 0 done, 1 failed, 2 the command line is wrong, 130 ended by Ctrl-C.\n"
      "Environment: RAISON_MODEL_PATH (the model inside lies elsewhere), RAISON_CPU (a lower\n"
      "instruction level), NO_COLOR, HF_HUB_CACHE and HF_HOME (where hf: names are looked up).\n";
  return out;
}

int Dispatch(const Words& words) {
  if (words.empty()) {
    PrintError(Help());
    return kUsage;
  }
  const std::string& name = words[0];
  if (name == "--help" || name == "-h" || name == "help") {
    Print(Help());
    return kOk;
  }
  if (name == "--version" || name == "version") {
    Print("raison " + VersionText() + "\n");
    return kOk;
  }
  for (const Command& command : kCommands) {
    if (name != command.name) continue;
    try {
      return command.call(Words(words.begin() + 1, words.end()));
    } catch (const UsageError& error) {
      throw UsageError(error.what() + std::string("\nraison ") + command.name +
                       " --help shows the options");
    }
  }
  throw UsageError("there is no command \"" + name + "\"; raison --help lists them");
}

int Main(const Words& words) {
  try {
    Interrupt::Install();
    return Dispatch(words);
  } catch (const UsageError& error) {
    Warn(error.what());
    return kUsage;
  } catch (const Interrupted&) {
    return kInterrupted;
  } catch (const ClosedOutput&) {
    return kFailure;  // whoever closed it knows
  } catch (const std::bad_alloc&) {
    Warn("there is not enough memory");
  } catch (const std::exception& error) {
    Warn(error.what());
  }
  return kFailure;
}

}  // namespace
}  // namespace raison::cli

int main(int argc, char** argv) {
  return raison::cli::Main(raison::cli::CommandLine(argc, argv));
}
