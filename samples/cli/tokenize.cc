// raison tokenize: text to tokens, one a line, as the model sees it.
#include <nlohmann/json.hpp>

#include "samples/cli/arguments.h"
#include "samples/cli/commands.h"
#include "samples/cli/errors.h"
#include "samples/cli/model_arguments.h"
#include "samples/cli/terminal.h"

namespace raison::cli {
namespace {

constexpr size_t kMostText = size_t{256} << 20;
constexpr size_t kMostWords = 4096;

std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

int Tokenize(const Words& words) {
  ModelArguments model_arguments;
  bool special = false, bos = false, ids = false, json = false;
  Words text_words;
  Arguments arguments(
      "tokenize", "[OPTIONS] [TEXT...]",
      "Turns text into the model's tokens: a line for each with its id and its "
      "piece of text. Without TEXT, or with -, the text is the standard input, byte "
      "for byte.");
  arguments.Positional("TEXT", &text_words, kMostWords);
  arguments.Section("Options");
  arguments.Flag("--special", &special, "the names of special tokens in the text become tokens");
  arguments.Flag("--bos", &bos, "begin with the begin-of-text token, if the model uses one");
  arguments.Flag("--ids", &ids, "only the ids, in one line");
  arguments.Flag("--json", &json, "an array of objects with id and text");
  model_arguments.AddPath(arguments);
  arguments.Example("raison tokenize \"12 * 13 = 156\"", "ids and pieces");
  arguments.Example("raison tokenize --ids --model qwen.gguf < essay.txt | wc -w",
                    "how many tokens a file has");
  if (!arguments.Parse(words)) {
    Print(arguments.Help());
    return kOk;
  }
  std::string text;
  if (text_words.empty() || (text_words.size() == 1 && text_words[0] == "-")) {
    if (text_words.empty() && InputIsTerminal()) throw UsageError("which text?");
    text = ReadInput(kMostText);
  } else {
    for (const std::string& word : text_words) text += (text.empty() ? "" : " ") + word;
  }

  const Model model = LoadModel(model_arguments, RSN_LOAD_HEADER);
  uint32_t flags = 0;
  if (special) flags |= RSN_TOKENIZE_SPECIAL;
  if (bos) flags |= RSN_TOKENIZE_BOS;
  const std::vector<int32_t> tokens = model.Tokenize(text, flags);
  std::string out;
  if (json) {
    for (int32_t token : tokens) {
      out += (out.empty() ? "[" : ",\n ");
      out += "{\"id\": " + std::to_string(token) + ", \"text\": " + Quoted(model.TokenText(token)) +
             "}";
    }
    out += out.empty() ? "[]\n" : "]\n";
  } else if (ids) {
    for (int32_t token : tokens) out += (out.empty() ? "" : " ") + std::to_string(token);
    out += "\n";
  } else {
    for (int32_t token : tokens) {
      out += Format("%7d  ", token) + Quoted(model.TokenText(token)) + "\n";
    }
  }
  Print(out);
  return kOk;
}

}  // namespace raison::cli
