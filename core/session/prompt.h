// From a conversation to the text that the model sees, and where its thinking stands at the end.
#pragma once

#include <optional>
#include <vector>

#include "core/model/text/chat_template.h"
#include "core/model/text/tokenizer.h"
#include "core/reasoning/think_parser.h"
#include "core/session/options.h"

namespace raison {

// The thinking mode is passed to templates that have a switch for it (`enable_thinking`, `thinking`),
// unless the caller's arguments set it. Errors: INVALID_ARGUMENT for arguments that are no JSON object.
absl::StatusOr<RenderedPrompt> RenderMessages(const ChatTemplate& chat_template,
                                              const std::vector<Message>& messages,
                                              const GenerateOptions& options);

ThinkTags ThinkTagsOf(const std::optional<ReasoningTags>& tags);
ThinkState ThinkStateOf(ThinkingStart start);

// What ends the thinking as the model was trained to see it end: a newline if the thinking does not
// end with one, the closing tag, and a blank line.
absl::StatusOr<std::vector<int32_t>> ClosingTokens(const Tokenizer& tokenizer,
                                                   const ReasoningTags& tags, bool at_line_start);

}  // namespace raison
