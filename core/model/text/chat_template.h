// A model's own chat template (Jinja), rendered as Hugging Face renders it, within limits of work and
// output. Says which parts of the prompt came from the caller, so that "<|im_end|>" in a user's text
// stays text, and where the model's thinking stands when generation starts.
#pragma once

#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "core/model/text/added_tokens.h"

struct raison_jinja_template;

namespace raison {

class Tokenizer;
struct ReasoningTags;

struct Message {
  std::string role;      // "system", "user", "assistant", "tool", or what the template knows
  std::string content;   // bytes; what is not UTF-8 comes out of rendering unchanged
  std::string thinking;  // earlier reasoning of an assistant; empty: none
};

// What a template may name besides the messages.
struct TemplateTokens {
  std::string bos, eos, padding, unknown;  // texts; empty ones are left undefined
  // Texts of all added tokens (Tokenizer::added_texts): what must not arise from a caller's text.
  std::vector<std::string> added;
  // The model's tags, if it has any; without them the thinking's start is kNone.
  std::string open_tag, close_tag;
};
TemplateTokens MakeTemplateTokens(const Tokenizer& tokenizer, const std::optional<ReasoningTags>& tags);

// Where generation starts.
enum class ThinkingStart {
  kNone,     // the model has no thinking tags
  kBefore,   // the model opens its thinking itself, or answers without
  kInside,   // the prompt has opened the thinking
  kOutside,  // the prompt has closed it: what comes is the answer
};

struct RenderOptions {
  bool add_generation_prompt = true;
  // Goes on inside the last message, which must be the assistant's: its text ends the prompt.
  bool continue_last = false;
  // JSON object with further variables (enable_thinking, thinking, date_string, ...); empty: none.
  std::string_view arguments_json;
  std::string_view tools_json;  // JSON list of tool schemas; empty: none
  std::optional<std::tm> clock;  // for strftime_now; the local time when absent
  bool trust_content = false;   // added tokens' texts in messages become those tokens
};

struct RenderedPrompt {
  std::string text;
  // Byte ranges of `text` from the caller in which an added token would otherwise be recognised;
  // give them to Tokenizer::Encode as EncodeOptions::literal, with parse_special.
  std::vector<TextRange> literal;
  ThinkingStart thinking = ThinkingStart::kNone;
};

class ChatTemplate {
 public:
  // `source` empty means that the file has none: a status.
  static absl::StatusOr<std::unique_ptr<ChatTemplate>> Create(std::string_view source,
                                                              TemplateTokens tokens);
  ~ChatTemplate();

  // Any number of threads may render at once. An error of the template (raise_exception) carries its
  // message; a template that works too long or writes too much is a status, too.
  absl::StatusOr<RenderedPrompt> Render(const std::vector<Message>& messages,
                                        const RenderOptions& options = {}) const;
  const std::string& source() const { return source_; }

 private:
  ChatTemplate() = default;
  struct Run;
  absl::StatusOr<std::string> RenderOnce(const Run& run) const;
  absl::StatusOr<RenderedPrompt> RenderContinued(const std::vector<Message>& messages,
                                                 const RenderOptions& options) const;

  std::string source_;
  TemplateTokens tokens_;
  AddedTokenMatcher added_;
  raison_jinja_template* compiled_ = nullptr;
};

}  // namespace raison
