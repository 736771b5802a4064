#include "core/model/text/chat_template.h"

#include <algorithm>
#include <utility>

#include "core/base/os/process.h"
#include "core/model/text/json_text.h"
#include "core/model/text/prompt_marks.h"
#include "core/model/text/tokenizer.h"
#include "core/model/text/utf8.h"
#ifdef RAISON_JINJA
#include "core/model/text/jinja/raison_jinja.h"
#endif

namespace raison {

using Json = nlohmann::ordered_json;

namespace {

constexpr size_t kMaxSource = 1 << 20;   // the longest template in use has 20 KB
constexpr size_t kMaxPrompt = 64 << 20;  // bytes in, and bytes out
constexpr size_t kMaxMessages = 100'000;

bool IsAllWhiteSpace(std::string_view text) {
  while (!text.empty()) {
    const Utf8Front front = ReadUtf8(text);
    if (front.kind != Utf8Front::kValid || !IsWhiteSpace(front.code_point)) return false;
    text.remove_prefix(front.length);
  }
  return true;
}

// Marks every string of a JSON value, keys included.
Json Marked(const Json& value, PromptMarks* marks, const PromptMarks::Style& style) {
  if (const auto* text = value.get_ptr<const Json::string_t*>()) return marks->Mark(*text, style);
  if (value.is_array()) {
    Json out = Json::array();
    for (const Json& item : value) out.push_back(Marked(item, marks, style));
    return out;
  }
  if (value.is_object()) {
    Json out = Json::object();
    for (const auto& [key, item] : value.items()) {
      out[marks->Mark(key, style)] = Marked(item, marks, style);
    }
    return out;
  }
  return value;
}

// Whether the last tag in `tail` leaves the thinking open.
ThinkingStart StartAfter(std::string_view tail, const TemplateTokens& tokens) {
  if (tokens.open_tag.empty() || tokens.close_tag.empty()) return ThinkingStart::kNone;
  const size_t open = tail.rfind(tokens.open_tag), close = tail.rfind(tokens.close_tag);
  if (open == std::string_view::npos && close == std::string_view::npos) {
    return ThinkingStart::kBefore;
  }
  if (close == std::string_view::npos) return ThinkingStart::kInside;
  if (open == std::string_view::npos) return ThinkingStart::kOutside;
  return open > close ? ThinkingStart::kInside : ThinkingStart::kOutside;
}

}  // namespace

TemplateTokens MakeTemplateTokens(const Tokenizer& tokenizer,
                                  const std::optional<ReasoningTags>& tags) {
  const auto text = [&](std::optional<int32_t> id) {
    return id.has_value() ? std::string(tokenizer.TokenBytes(*id)) : std::string();
  };
  return {.bos = text(tokenizer.bos()),
          .eos = text(tokenizer.eos()),
          .padding = text(tokenizer.padding()),
          .unknown = text(tokenizer.unknown()),
          .added = tokenizer.added_texts(),
          .open_tag = tags.has_value() ? tags->open_text : "",
          .close_tag = tags.has_value() ? tags->close_text : ""};
}

// One rendering: what is rendered, and how the caller's texts are marked in it.
struct ChatTemplate::Run {
  const std::vector<Message>& messages;
  const Json& arguments;
  const Json& tools;
  const std::tm& clock;
  bool add_generation_prompt;
  PromptMarks* marks;
  bool mark = false;            // mark where an added token begins in a caller's text
  bool keep_thinking = false;   // but not the thinking tags of assistants
  bool end_marker = false;      // behind the last message's text
};

absl::StatusOr<std::unique_ptr<ChatTemplate>> ChatTemplate::Create(std::string_view source,
                                                                   TemplateTokens tokens) {
  if (source.empty()) {
    return absl::NotFoundError(
        "the model's file has no chat template: give one, or prompt with plain text");
  }
  if (source.size() > kMaxSource) {
    return absl::InvalidArgumentError(absl::StrCat("the chat template has ", source.size(),
                                                   " bytes; at most ", kMaxSource,
                                                   " are accepted"));
  }
#ifdef RAISON_JINJA
  std::unique_ptr<ChatTemplate> result(new ChatTemplate);
  result->source_ = std::string(source);
  result->tokens_ = std::move(tokens);
  for (const std::string& text : result->tokens_.added) {
    // White space carries no control meaning, whatever token it becomes.
    if (IsAllWhiteSpace(text)) continue;
    RSN_RETURN_IF_ERROR(result->added_.Add({.id = 0, .text = text}));
  }
  raison_jinja_text text = {};
  const int32_t rc = raison_jinja_compile(source.data(), source.size(), &result->compiled_, &text);
  const std::string reason(text.data, text.size);
  raison_jinja_text_free(&text);
  if (rc != RAISON_JINJA_OK) {
    return absl::InvalidArgumentError(absl::StrCat("the chat template does not compile: ", reason));
  }
  return result;
#else
  return absl::UnimplementedError(
      "this build has no chat-template engine (RAISON_JINJA=OFF): prompt with plain text");
#endif
}

ChatTemplate::~ChatTemplate() {
#ifdef RAISON_JINJA
  raison_jinja_free(compiled_);
#endif
}

absl::StatusOr<std::string> ChatTemplate::RenderOnce(const Run& run) const {
#ifdef RAISON_JINJA
  PromptMarks::Style style{.added = run.mark ? &added_ : nullptr};
  Json context = Json::object();
  Json& messages = context["messages"] = Json::array();
  for (size_t i = 0; i < run.messages.size(); ++i) {
    const Message& message = run.messages[i];
    PromptMarks::Style here = style;
    if (run.keep_thinking && message.role == "assistant") {
      here.keep_open = tokens_.open_tag;
      here.keep_close = tokens_.close_tag;
    }
    Json item = Json::object();
    item["role"] = run.marks->Mark(message.role, here);
    if (!message.thinking.empty()) {
      // Qwen and GLM read the first name, gpt-oss the second.
      item["reasoning_content"] = run.marks->Mark(message.thinking, here);
      item["thinking"] = item["reasoning_content"];
    }
    here.end_marker = run.end_marker && i + 1 == run.messages.size();
    item["content"] = run.marks->Mark(message.content, here);
    messages.push_back(std::move(item));
  }
  for (const auto& [name, text] : {std::pair{"bos_token", &tokens_.bos},
                                   std::pair{"eos_token", &tokens_.eos},
                                   std::pair{"pad_token", &tokens_.padding},
                                   std::pair{"unk_token", &tokens_.unknown}}) {
    if (!text->empty()) context[name] = ToValidUtf8(*text);
  }
  context["add_generation_prompt"] = run.add_generation_prompt;
  if (!run.tools.is_null()) context["tools"] = Marked(run.tools, run.marks, style);
  for (const auto& [name, value] : run.arguments.items()) {
    context[name] = Marked(value, run.marks, style);
  }
  const std::string json =
      context.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
  const raison_jinja_clock clock = {
      .year = run.clock.tm_year + 1900,
      .month = run.clock.tm_mon + 1,
      .day = run.clock.tm_mday,
      .hour = run.clock.tm_hour,
      .minute = run.clock.tm_min,
      .second = run.clock.tm_sec,
      .weekday = run.clock.tm_wday,
      .day_of_year = run.clock.tm_yday + 1,
  };
  raison_jinja_text out = {};
  const int32_t rc =
      raison_jinja_render(compiled_, json.data(), json.size(), &clock, kMaxPrompt, &out);
  std::string text(out.data, out.size);
  raison_jinja_text_free(&out);
  switch (rc) {
    case RAISON_JINJA_OK:
      return text;
    case RAISON_JINJA_RAISED:
      return absl::InvalidArgumentError(
          absl::StrCat("the chat template refuses the messages: ", run.marks->Unmark(text).text));
    case RAISON_JINJA_LIMIT:
      return absl::ResourceExhaustedError(absl::StrCat("the chat template was stopped: ", text));
    case RAISON_JINJA_INVALID:
      return absl::InvalidArgumentError(absl::StrCat("the chat template failed: ", text));
    default:
      return absl::InternalError(absl::StrCat("the chat template failed: ", text));
  }
#else
  (void)run;
  return absl::UnimplementedError("this build has no chat-template engine");
#endif
}

absl::StatusOr<RenderedPrompt> ChatTemplate::Render(const std::vector<Message>& messages,
                                                    const RenderOptions& options) const {
  if (options.continue_last) return RenderContinued(messages, options);
  size_t bytes = options.arguments_json.size() + options.tools_json.size();
  for (const Message& message : messages) {
    bytes += message.role.size() + message.content.size() + message.thinking.size();
  }
  if (messages.size() > kMaxMessages || bytes > kMaxPrompt) {
    return absl::InvalidArgumentError(
        absl::StrCat("the conversation has ", messages.size(), " messages and ", bytes,
                     " bytes; at most ", kMaxMessages, " and ", kMaxPrompt, " are accepted"));
  }
  Json arguments = Json::object(), tools;
  if (!options.arguments_json.empty()) {
    RSN_ASSIGN_OR_RETURN(arguments,
                         ParseOrderedJson(options.arguments_json, "the template arguments"));
    if (!arguments.is_object() || arguments.contains("messages")) {
      return absl::InvalidArgumentError(
          "the template arguments must be a JSON object without \"messages\"");
    }
  }
  if (!options.tools_json.empty()) {
    RSN_ASSIGN_OR_RETURN(tools, ParseOrderedJson(options.tools_json, "the tools"));
  }

  PromptMarks marks;
  marks.Avoid(source_);
  for (const Message& message : messages) {
    for (const std::string* text : {&message.role, &message.content, &message.thinking}) {
      marks.Avoid(*text);
    }
  }
  for (const Json* json : {&std::as_const(arguments), &std::as_const(tools)}) {
    marks.Avoid(json->dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  if (!marks.Choose()) {
    return absl::InvalidArgumentError(
        "the conversation uses all private-use code points; the template needs some of them");
  }
  const std::tm clock =
      options.clock.has_value() ? *options.clock : LocalTime(std::time(nullptr));

  Run run{.messages = messages,
          .arguments = arguments,
          .tools = tools,
          .clock = clock,
          .add_generation_prompt = options.add_generation_prompt,
          .marks = &marks};
  RSN_ASSIGN_OR_RETURN(const std::string plain_text, RenderOnce(run));
  const UnmarkedText plain = marks.Unmark(plain_text);

  // The marked text must differ from the plain one in nothing but its marks. Where it does, the
  // template has looked at the tags: first let it see the assistants' thinking tags, which templates
  // cut out; then do without the end marker.
  struct Attempt {
    bool keep_thinking, end_marker;
  };
  UnmarkedText marked;
  bool equal = false;
  run.mark = !options.trust_content;
  for (const Attempt attempt : {Attempt{false, true}, Attempt{true, true}, Attempt{true, false}}) {
    run.keep_thinking = attempt.keep_thinking;
    run.end_marker = attempt.end_marker;
    absl::StatusOr<std::string> text = RenderOnce(run);
    if (!text.ok()) continue;
    marked = marks.Unmark(*text);
    equal = marked.text == plain.text;
    if (equal) break;
  }
  // Still different: the template treats tags in a user's text in a special way. Then it is told that
  // there are none, because a user's text must not become a tag. (The last attempt holds that text.)
  if (!equal && (options.trust_content || marked.text.empty())) marked = plain;

  RenderedPrompt prompt{.text = std::move(marked.text), .literal = std::move(marked.literal)};
  std::string_view tail = prompt.text;
  if (marked.end_marker.has_value()) {
    tail.remove_prefix(*marked.end_marker);
  } else if (!messages.empty()) {
    // What the generation prompt alone adds; else all of the text.
    run.add_generation_prompt = false;
    run.end_marker = false;
    const absl::StatusOr<std::string> without = RenderOnce(run);
    if (without.ok()) {
      const UnmarkedText shorter = marks.Unmark(*without);
      if (tail.starts_with(shorter.text)) tail.remove_prefix(shorter.text.size());
    }
  }
  prompt.thinking = StartAfter(tail, tokens_);
  return prompt;
}

absl::StatusOr<RenderedPrompt> ChatTemplate::RenderContinued(const std::vector<Message>& messages,
                                                             const RenderOptions& options) const {
  if (messages.empty() || messages.back().role != "assistant") {
    return absl::InvalidArgumentError(
        "the conversation to go on with does not end with an assistant's message");
  }
  const Message& last = messages.back();
  RenderOptions before = options;
  before.continue_last = false;
  before.add_generation_prompt = true;
  RSN_ASSIGN_OR_RETURN(
      RenderedPrompt prompt,
      Render(std::vector<Message>(messages.begin(), messages.end() - 1), before));

  const std::string &open = tokens_.open_tag, &close = tokens_.close_tag;
  const auto add_caller_text = [&](std::string_view text, bool keep_tags) {
    const size_t base = prompt.text.size();
    for (size_t at = 0; at < text.size() && !options.trust_content; ++at) {
      if (added_.LengthAt(text, at) == 0) continue;
      const std::string_view rest = text.substr(at);
      if (keep_tags && (rest.starts_with(open) || rest.starts_with(close))) continue;
      prompt.literal.push_back({base + at, base + at + 1});
    }
    prompt.text.append(text);
  };
  std::string_view content = last.content;
  const bool has_thinking = !last.thinking.empty();
  switch (prompt.thinking) {
    case ThinkingStart::kNone:
    case ThinkingStart::kOutside:
      add_caller_text(content, false);
      return prompt;
    case ThinkingStart::kBefore:
      if (!has_thinking) {
        add_caller_text(content, true);
        prompt.thinking = StartAfter(content, tokens_);
        return prompt;
      }
      absl::StrAppend(&prompt.text, open, "\n");
      break;
    case ThinkingStart::kInside:
      if (!has_thinking && content.find(close) != std::string_view::npos) {
        // The thinking stands in the content, perhaps with the tag that the prompt has written.
        if (content.starts_with(open)) content.remove_prefix(open.size());
        if (content.starts_with("\n") && prompt.text.ends_with("\n")) content.remove_prefix(1);
        add_caller_text(content, true);
        prompt.thinking = StartAfter(content, tokens_);
        return prompt;
      }
      break;
  }
  add_caller_text(last.thinking, false);
  prompt.thinking = ThinkingStart::kInside;
  if (!content.empty()) {
    absl::StrAppend(&prompt.text, "\n", close, "\n\n");
    add_caller_text(content, false);
    prompt.thinking = ThinkingStart::kOutside;
  }
  return prompt;
}

}  // namespace raison
