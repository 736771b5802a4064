#include "samples/cli/live_view.h"

#include <algorithm>

#include "samples/cli/interrupt.h"
#include "samples/cli/terminal.h"

namespace raison::cli {
namespace {

constexpr char kDim[] = "\x1b[2m";
constexpr char kPlain[] = "\x1b[0m";
constexpr char kGreen[] = "\x1b[32m";
constexpr char kYellow[] = "\x1b[33m";
constexpr char kRed[] = "\x1b[31m";
constexpr char kBar[] = "\xE2\x94\x82 ";  // U+2502
constexpr int kBarColumns = 2;
constexpr int kWideMargin = 16;   // "  1  97%   52/s "
constexpr int kNarrowMargin = 4;  // "  1 "
constexpr int kNarrowTerminal = 60;
constexpr int kLeastWidth = 10;
constexpr std::chrono::milliseconds kQuietPrompt{500};

// Where a confidence (geometric mean probability of a step's tokens) begins to look doubtful: a
// matter of taste, for the eye only.
constexpr float kSure = 0.8f, kDoubtful = 0.5f;

std::string_view WithoutLeadingLines(std::string_view text) {
  const size_t begin = text.find_first_not_of("\r\n");
  return begin == std::string_view::npos ? std::string_view() : text.substr(begin);
}

}  // namespace

Event Drive(Session& session, const std::function<void(const Event&)>& show) {
  bool cancelled = false;
  for (;;) {
    if (Interrupt::Requested() && !cancelled) {
      session.Cancel();
      cancelled = true;
    }
    Event event;
    try {
      session.Next(event);
    } catch (const Error&) {
      if (event.kind == RSN_EVENT_DONE) show(event);
      throw;
    }
    show(event);
    if (event.kind == RSN_EVENT_DONE) return event;
  }
}

bool HasAnswer(const Session& session) {
  return session.Text(RSN_CHANNEL_ANSWER).find_first_not_of(" \t\r\n") != std::string::npos;
}

void ExplainDone(const Session& session, const Event& done) {
  switch (done.reason) {
    case RSN_DONE_LENGTH_THINKING:
      return Warn("stopped in the thinking: --max-tokens is reached");
    case RSN_DONE_LENGTH_ANSWER:
      return Warn("the answer is cut off: --max-tokens is reached");
    case RSN_DONE_CONTEXT_FULL:
      return Warn(HasAnswer(session) ? "the answer is cut off: the context is full (see --context)"
                                     : "there is no answer: the context is full (see --context)");
    case RSN_DONE_UNCLOSED:
      return Warn("the model ended its text inside the thinking: there is no answer");
    case RSN_DONE_CANCELLED:
      return Warn("cancelled");
    default:
      return;
  }
}

double StepSpeed(const Step& step) {
  const double seconds = step.end_seconds - step.begin_seconds;
  return seconds > 0 ? static_cast<double>(step.end - step.begin) / seconds : 0;
}

std::string StepLine(const Step& step) {
  std::string text = Harmless(step.text);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return Format("[step %d, confidence %.2f, %.0f tokens/s] ", step.index + 1,
                static_cast<double>(step.confidence), StepSpeed(step)) +
         text + "\n";
}

void AnswerOnly::Show(const Event& event) {
  if (event.kind == RSN_EVENT_DONE && begun_ && !ended_line_) Print("\n");
  if (event.kind != RSN_EVENT_TOKEN || event.channel != RSN_CHANNEL_ANSWER) return;
  const std::string_view text = begun_ ? event.text : WithoutLeadingLines(event.text);
  if (text.empty()) return;
  Print(text);
  begun_ = true;
  ended_line_ = text.back() == '\n';
}

LiveView::LiveView(const Session& session)
    : session_(session),
      moves_(OutputMoves()),
      colours_(OutputColours()),
      begin_(std::chrono::steady_clock::now()) {}

void LiveView::Show(const Event& event) {
  if (progress_shown_ && event.kind != RSN_EVENT_PROGRESS) {
    out_ += "\r\x1b[K";
    progress_shown_ = false;
  }
  switch (event.kind) {
    case RSN_EVENT_PROGRESS:
      ShowProgress(event);
      break;
    case RSN_EVENT_STEP_BEGIN:
      BeginStep(event.step);
      break;
    case RSN_EVENT_STEP_END:
      EndStep(event.step);
      break;
    case RSN_EVENT_TOKEN:
      if (event.channel == RSN_CHANNEL_THINKING) PutThinking(Harmless(event.text));
      if (event.channel == RSN_CHANNEL_ANSWER) PutAnswer(Harmless(event.text));
      break;
    case RSN_EVENT_NOTICE:
      Note(event.text);
      break;
    case RSN_EVENT_DONE:
      if (in_step_) EndStep(-1);
      if (!answer_ended_line_) out_ += "\n";
      PutNotes();
      if (event.reason != RSN_DONE_FAILED) Summary();
      break;
    default:
      break;
  }
  if (out_.empty()) return;
  Print(out_);
  out_.clear();
}

void LiveView::ShowProgress(const Event& event) {
  const bool quiet = std::chrono::steady_clock::now() - begin_ < kQuietPrompt;
  if (!moves_ || quiet || event.done >= event.total || in_step_ || answer_begun_) return;
  out_ += Format("\r\x1b[Kreading the prompt: %lld of %lld tokens",
                 static_cast<long long>(event.done), static_cast<long long>(event.total));
  progress_shown_ = true;
}

std::string LiveView::Margin(const std::string& inside, const char* colour) const {
  return Styled(colour) + inside + Styled(kPlain) + Styled(kDim) + kBar;
}

void LiveView::BeginStep(int32_t index) {
  const int columns = OutputColumns();
  margin_ = columns < kNarrowTerminal ? kNarrowMargin : kWideMargin;
  width_ = std::max(kLeastWidth, columns - margin_ - kBarColumns - 1);
  in_step_ = true;
  rows_ = column_ = newlines_ = spaces_ = word_columns_ = 0;
  word_.clear();
  out_ +=
      Margin(Format("%3d", index + 1) + std::string(static_cast<size_t>(margin_ - 3), ' '), kDim);
}

void LiveView::NewRow() {
  out_ += "\n" + std::string(static_cast<size_t>(margin_), ' ') + kBar;
  ++rows_;
  column_ = 0;
}

void LiveView::PutWord() {
  if (word_.empty()) return;
  for (; newlines_ > 0; --newlines_) {
    NewRow();
    spaces_ = 0;
  }
  if (column_ + spaces_ + word_columns_ > width_ && column_ > 0) {
    NewRow();
  } else {
    out_ += std::string(static_cast<size_t>(spaces_), ' ');
    column_ += spaces_;
  }
  spaces_ = 0;
  out_ += word_;
  column_ += word_columns_;
  word_.clear();
  word_columns_ = 0;
}

void LiveView::PutThinking(std::string_view text) {
  if (!in_step_) return;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = NextCodePoint(text, &at);
    if (c == '\n') {
      PutWord();
      // Blank lines before the first word and behind the last one are not shown.
      if (column_ > 0) ++newlines_;
      spaces_ = 0;
    } else if (c == ' ' || c == '\t') {
      PutWord();
      if (column_ > 0 || newlines_ > 0) ++spaces_;
    } else {
      word_ += text.substr(begin, at - begin);
      word_columns_ += Columns(c);
      if (word_columns_ >= width_) PutWord();
    }
  }
}

void LiveView::EndStep(int32_t index) {
  PutWord();
  if (index >= 0) {
    const Step step = session_.Step(static_cast<size_t>(index));
    const float sure = step.confidence;
    const char* colour = sure >= kSure ? kGreen : sure >= kDoubtful ? kYellow : kRed;
    const std::string inside = margin_ == kNarrowMargin ? Format("%3d ", index + 1)
                                                        : Format("%3d %4.0f%% %4.0f/s ", index + 1,
                                                                 static_cast<double>(100 * sure),
                                                                 std::min(9999.0, StepSpeed(step)));
    if (!moves_) {
      out_ += "  (" + inside.substr(3) + ")";
    } else if (rows_ < OutputRows() - 1) {
      // Back to the step's first row to write what is known only now.
      if (rows_ > 0) out_ += Format("\x1b[%dA", rows_);
      out_ += "\r" + Margin(inside, colour);
      if (rows_ > 0) out_ += Format("\x1b[%dB", rows_);
    }
  }
  out_ += Styled(kPlain) + "\n";
  in_step_ = false;
  PutNotes();
}

void LiveView::PutAnswer(std::string_view text) {
  if (!answer_begun_) text = WithoutLeadingLines(text);
  if (text.empty()) return;
  if (!answer_begun_) out_ += "\n";
  out_ += text;
  answer_begun_ = true;
  answer_ended_line_ = text.back() == '\n';
}

void LiveView::Note(const std::string& text) {
  notes_ += Styled(kDim) + "(" + Harmless(text) + ")" + Styled(kPlain) + "\n";
  // Inside a step or the answer it would tear the text.
  if (!in_step_ && answer_ended_line_) PutNotes();
}

void LiveView::PutNotes() {
  out_ += notes_;
  notes_.clear();
}

void LiveView::Summary() {
  const Usage usage = session_.Usage();
  const double seconds = usage.thinking_seconds + usage.answer_seconds;
  const int64_t tokens = usage.thinking_tokens + usage.answer_tokens;
  out_ += "\n" + Styled(kDim) +
          Format("%lld tokens of thinking, %lld of answer, %.2f s",
                 static_cast<long long>(usage.thinking_tokens),
                 static_cast<long long>(usage.answer_tokens), usage.total_seconds);
  if (seconds > 0 && tokens > 1) {
    out_ += Format(", %.0f tokens/s", static_cast<double>(tokens) / seconds);
  }
  out_ += Styled(kPlain) + "\n";
}

}  // namespace raison::cli
