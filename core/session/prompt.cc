#include "core/session/prompt.h"

#include <nlohmann/json.hpp>

namespace raison {

absl::StatusOr<RenderedPrompt> RenderMessages(const ChatTemplate& chat_template,
                                              const std::vector<Message>& messages,
                                              const GenerateOptions& options) {
  std::string arguments = options.template_arguments;
  if (options.thinking != ThinkingMode::kAuto) {
    nlohmann::ordered_json json = nlohmann::ordered_json::object();
    if (!arguments.empty()) {
      json = nlohmann::ordered_json::parse(arguments, nullptr, /*allow_exceptions=*/false);
      if (!json.is_object()) {
        return absl::InvalidArgumentError("template_arguments is not a JSON object");
      }
    }
    for (const char* name : {"enable_thinking", "thinking"}) {
      if (!json.contains(name)) json[name] = options.thinking == ThinkingMode::kOn;
    }
    arguments = json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  }
  return chat_template.Render(messages, {.add_generation_prompt = !options.continue_last,
                                         .continue_last = options.continue_last,
                                         .arguments_json = arguments});
}

ThinkTags ThinkTagsOf(const std::optional<ReasoningTags>& tags) {
  if (!tags) return {};
  const auto single = [](const std::vector<int32_t>& ids) { return ids.size() == 1 ? ids[0] : -1; };
  return {.open = tags->open_text,
          .close = tags->close_text,
          .open_id = single(tags->open),
          .close_id = single(tags->close)};
}

ThinkState ThinkStateOf(ThinkingStart start) {
  switch (start) {
    case ThinkingStart::kInside:
      return ThinkState::kThink;
    case ThinkingStart::kBefore:
      return ThinkState::kBefore;
    case ThinkingStart::kNone:
    case ThinkingStart::kOutside:
      break;
  }
  return ThinkState::kAnswer;
}

absl::StatusOr<std::vector<int32_t>> ClosingTokens(const Tokenizer& tokenizer,
                                                   const ReasoningTags& tags, bool at_line_start) {
  std::vector<int32_t> out;
  if (!at_line_start) {
    RSN_ASSIGN_OR_RETURN(out, tokenizer.Encode("\n"));
  }
  out.insert(out.end(), tags.close.begin(), tags.close.end());
  RSN_ASSIGN_OR_RETURN(const std::vector<int32_t> blank, tokenizer.Encode("\n\n"));
  out.insert(out.end(), blank.begin(), blank.end());
  return out;
}

}  // namespace raison
