#include "core/session/session.h"

#include <algorithm>
#include <utility>

#include "core/reasoning/final_answer.h"
#include "core/session/prompt.h"

namespace raison {
namespace {

size_t CommonPrefix(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  size_t n = 0;
  while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
  return n;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Create(std::shared_ptr<Scheduler> scheduler,
                                                         uint32_t context_length) {
  const Model& model = *scheduler->model();
  if (context_length > model.config().max_position_embeddings) {
    return absl::InvalidArgumentError(
        absl::StrCat("context_length = ", context_length, " is above the model's own limit of ",
                     model.config().max_position_embeddings, " tokens"));
  }
  if (context_length == 0) context_length = model.context_length();
  return std::unique_ptr<Session>(new Session(std::move(scheduler), context_length));
}

Session::Session(std::shared_ptr<Scheduler> scheduler, uint32_t context_length)
    : scheduler_(std::move(scheduler)),
      context_length_(context_length),
      branches_(std::make_shared<std::atomic<int32_t>>(0)),
      step_ids_(std::make_shared<std::atomic<int64_t>>(0)),
      pages_(scheduler_->cache().NewTable()) {
  work_.cancelled = &cancelled_;
  work_.pages = &pages_;
}

Session::~Session() {
  if (!in_flight_) return;
  Cancel();
  scheduler_->WaitDone(work_);
}

void Session::Cancel() {
  cancelled_ = true;
  scheduler_->Wake();
}

absl::Status Session::Prompt(const std::vector<Message>& messages, const GenerateOptions& options) {
  RSN_ASSIGN_OR_RETURN(ResolvedOptions resolved,
                       Resolve(options, model(), static_cast<int32_t>(context_length_)));
  const auto& chat_template = model().chat_template();
  if (!chat_template.ok()) return chat_template.status();
  RSN_ASSIGN_OR_RETURN(const RenderedPrompt rendered,
                       RenderMessages(**chat_template, messages, options));
  RSN_ASSIGN_OR_RETURN(std::vector<int32_t> tokens,
                       model().tokenizer().Encode(
                           rendered.text, {.parse_special = true, .literal = rendered.literal}));
  return Start(std::move(tokens), ThinkStateOf(rendered.thinking), std::move(resolved));
}

absl::Status Session::PromptText(std::string_view text, const EncodeOptions& encode,
                                 const GenerateOptions& options) {
  RSN_ASSIGN_OR_RETURN(ResolvedOptions resolved,
                       Resolve(options, model(), static_cast<int32_t>(context_length_)));
  RSN_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, model().tokenizer().Encode(text, encode));
  return Start(std::move(tokens), StateAfterPrompt(ThinkTagsOf(model().reasoning_tags()), text),
               std::move(resolved));
}

absl::Status Session::Start(std::vector<int32_t> tokens, ThinkState start,
                            ResolvedOptions options) {
  const Tokenizer& tokenizer = model().tokenizer();
  const std::optional<ReasoningTags>& tags = model().reasoning_tags();
  if (tokens.empty() && tokenizer.bos().has_value()) tokens.push_back(*tokenizer.bos());
  if (tokens.empty()) return absl::InvalidArgumentError("the prompt is empty");
  // Where the template did not follow the thinking mode, the tags are put in for it.
  if (tags && options.thinking == ThinkingMode::kOn && start == ThinkState::kBefore) {
    tokens.insert(tokens.end(), tags->open.begin(), tags->open.end());
    start = ThinkState::kThink;
  }
  if (tags && options.thinking == ThinkingMode::kOff && start == ThinkState::kThink) {
    RSN_ASSIGN_OR_RETURN(const std::vector<int32_t> close,
                         ClosingTokens(tokenizer, *tags, /*at_line_start=*/true));
    tokens.insert(tokens.end(), close.begin(), close.end());
    start = ThinkState::kAnswer;
  }
  if (tokens.size() >= context_length_) {
    return absl::OutOfRangeError(absl::StrCat("the prompt has ", tokens.size(),
                                              " tokens: no room for an answer in the ",
                                              "context of ", context_length_));
  }

  cancelled_ = true;  // a pass of the request that is dropped here may end early
  Settle();
  cancelled_ = false;
  events_.clear();
  steps_.clear();
  numbers_.clear();
  live_steps_.clear();
  // At least one token is computed, so that there are logits.
  size_t keep = std::min(CommonPrefix(tokens_, tokens), tokens.size() - 1);
  keep = std::min<size_t>(keep, pages_.length());
  if (options.trace_prompt) keep = 0;
  // Exact: only whole chunks, which are computed in the same way whatever came before.
  if (model().options().exact) keep = keep / kPromptChunk * kPromptChunk;
  pages_.Truncate(static_cast<uint32_t>(keep));
  tokens_ = std::move(tokens);
  records_.assign(tokens_.size(), {});
  for (size_t i = 0; i < tokens_.size(); ++i) {
    records_[i].token = tokens_[i];
    records_[i].position = static_cast<int64_t>(i);
  }

  Request request;
  request.branch = options.branch == kUnset ? 0 : options.branch;
  branches_->store(std::max(branches_->load(), request.branch));
  request.prompt_length = static_cast<int64_t>(tokens_.size());
  request.cached = request.prompt_done = static_cast<int64_t>(keep);
  request.begin = request.last_token = Clock::now();
  request.start = Narrative(tokenizer, ThinkTagsOf(tags), start, options.stop);
  request.narrative = request.start;
  request.budget = NewBudget(options, int64_t{context_length_} - request.prompt_length);
  options.branch = request.branch;
  request.options = std::move(options);
  request_ = std::move(request);
  if (const Placement& placement = model().placement(); placement.notable) {
    Note(NoticeReason::kPlaced, placement.Sentence());
  }
  return absl::OkStatus();
}

absl::Span<const StepRecord> Session::steps() const {
  const auto untold = std::count_if(events_.begin(), events_.end(), [](const Event& e) {
    return e.kind == EventKind::kStepBegin && !e.silent;
  });
  return absl::MakeConstSpan(steps_).subspan(0, steps_.size() - static_cast<size_t>(untold));
}

// What the caller has been told, and of thinking that is released by steps only the whole steps.
std::string Session::ChannelText(Channel channel) const {
  std::string text;
  if (!request_) return text;
  const int64_t end = DeliveredEnd();
  for (int64_t p = request_->prompt_length; p < end; ++p) {
    const TokenRecord& record = records_[static_cast<size_t>(p)];
    if (record.channel != channel) continue;
    const bool withheld = request_->options.release_steps && record.step >= 0 &&
                          (steps_[static_cast<size_t>(record.step)].flags & kStepOpen) != 0;
    if (!withheld) text += record.text;
  }
  return text;
}

std::string Session::Answer(int32_t* step) const {
  *step = -1;
  if (!request_) return "";
  const std::string answer = ExtractFinalAnswer(request_->narrative.answer());
  if (answer.empty()) return answer;
  std::vector<std::string_view> texts;
  for (int32_t i : live_steps_) texts.push_back(steps_[static_cast<size_t>(i)].text);
  const int32_t ordinal = FirstStepStating(texts, answer);
  if (ordinal >= 0) *step = live_steps_[static_cast<size_t>(ordinal)];
  return answer;
}

Usage Session::GetUsage() const {
  if (!request_) return {};
  const Request& r = *request_;
  Usage usage{.prompt_tokens = r.prompt_length,
              .cached_tokens = r.cached,
              .thinking_tokens = r.narrative.thinking_tokens(),
              .answer_tokens = r.narrative.answer_tokens(),
              .discarded_tokens = r.discarded,
              .passes = r.passes,
              .prompt_seconds = r.prompt_seconds,
              .thinking_seconds = r.thinking_seconds,
              .answer_seconds = r.answer_seconds};
  usage.total_seconds = std::chrono::duration<double>(r.last_token - r.begin).count();
  usage.forced_tokens =
      std::count_if(records_.begin() + r.prompt_length, records_.end(), [](const TokenRecord& t) {
        return t.source == Source::kForced || t.source == Source::kInjected;
      });
  return usage;
}

}  // namespace raison
