// raison convert: a Hugging Face folder becomes one GGUF file. Over the static core (the ABI runs
// models, it does not make them), so this file must not include raison.hpp, whose classes have the
// core's names.
#include "core/convert/convert.h"

#include <chrono>

#include "core/file/checkpoint.h"
#include "samples/cli/arguments.h"
#include "samples/cli/commands.h"
#include "samples/cli/errors.h"
#include "samples/cli/hub.h"
#include "samples/cli/interrupt.h"
#include "samples/cli/terminal.h"

namespace raison::cli {
namespace {

constexpr std::chrono::milliseconds kProgressEvery{200};

[[noreturn]] void Throw(const absl::Status& status) {
  if (absl::IsCancelled(status)) throw Interrupted();
  throw Failure(std::string(status.message()));
}

}  // namespace

int Convert(const Words& words) {
  Words paths;
  std::string type = "q8_0", name;
  bool no_mtp = false;
  Arguments arguments("convert", "[OPTIONS] FOLDER OUT.gguf",
                      "Writes a Hugging Face folder (config.json, tokenizer.json, safetensors) as "
                      "one GGUF file, vocabulary and chat template included, that this and other "
                      "engines read. OUT appears when it is complete.");
  arguments.Positional("FOLDER OUT.gguf", &paths, 2);
  arguments.Section("Options");
  arguments.Text("--type", "TYPE", &type,
                 "of the large matrices: q8_0 (default), q6_k, q5_k, q4_k (the mixed \"M\" kinds "
                 "for the last two), q5_0, q4_0, f16, bf16 or f32");
  arguments.Text("--name", "NAME", &name, "general.name of the file; default: the folder's");
  arguments.Flag("--no-mtp", &no_mtp, "leave multi-token prediction layers out");
  arguments.Example("raison convert DeepSeek-R1-Distill-Qwen-1.5B r1-1.5b.gguf --type q4_k",
                    "about 1.1 GB");
  if (!arguments.Parse(words)) {
    Print(arguments.Help());
    return kOk;
  }
  if (paths.size() != 2) throw UsageError("convert takes a folder and the file to write");
  const auto dtype = ParseConvertType(type);
  if (!dtype.ok()) throw UsageError("--type: " + std::string(dtype.status().message()));
  auto checkpoint = Checkpoint::Open(ResolveModelPath(paths[0]));
  if (!checkpoint.ok()) Throw(checkpoint.status());

  bool shown = false;
  auto next = std::chrono::steady_clock::now() + kProgressEvery;
  ConvertOptions options{.out_path = paths[1], .type = *dtype, .name = name, .keep_mtp = !no_mtp};
  options.progress = [&](uint64_t done, uint64_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (ErrorIsTerminal() && now >= next && total > 0) {
      PrintError(Format("\rraison: writing: %llu %%\x1b[K",
                        static_cast<unsigned long long>(100.0 * static_cast<double>(done) /
                                                        static_cast<double>(total))));
      next = now + kProgressEvery;
      shown = true;
    }
    return !Interrupt::Requested();
  };
  const absl::Status status = ConvertToGguf(**checkpoint, options);
  if (shown) PrintError("\r\x1b[K");
  if (!status.ok()) Throw(status);
  return kOk;
}

}  // namespace raison::cli
