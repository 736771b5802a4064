// The reasoning as it comes, on a terminal: each step dimmed beside a margin with its number,
// confidence and speed, then the answer as plain text. Also the loop that draws a request's events
// and lets Ctrl-C end it, and the plain forms for output that is no terminal.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "raison/raison.hpp"

namespace raison::cli {

// Gives every event of the running request to `show`, DONE included, and returns that. Ctrl-C
// cancels the request. An Error comes out after `show` had the failed DONE.
Event Drive(Session& session, const std::function<void(const Event&)>& show);

// Standard error: why an answer is not complete. Nothing for a complete one.
void ExplainDone(const Session& session, const Event& done);
bool HasAnswer(const Session& session);

class LiveView {
 public:
  explicit LiveView(const Session& session);
  void Show(const Event& event);

 private:
  void ShowProgress(const Event& event);
  void BeginStep(int32_t index);
  void EndStep(int32_t index);
  void PutThinking(std::string_view text);
  void PutWord();
  void NewRow();
  void PutAnswer(std::string_view text);
  void Note(const std::string& text);
  void PutNotes();
  void Summary();
  std::string Margin(const std::string& inside, const char* colour) const;
  std::string Styled(const char* style) const { return colours_ ? style : ""; }

  Session session_;
  bool moves_, colours_;
  int margin_ = 0;  // columns inside the margin
  int width_ = 0;   // columns right of it
  std::string out_;

  bool in_step_ = false;
  int rows_ = 0;                   // below the step's first
  int column_ = 0;                 // right of the margin
  int newlines_ = 0, spaces_ = 0;  // held back until something follows
  std::string word_;
  int word_columns_ = 0;
  std::string notes_;  // to be shown at the end of the step or the answer

  bool progress_shown_ = false;
  bool answer_begun_ = false;
  bool answer_ended_line_ = true;
  std::chrono::steady_clock::time_point begin_;
};

// The answer alone, on standard output.
class AnswerOnly {
 public:
  void Show(const Event& event);

 private:
  bool begun_ = false, ended_line_ = true;
};

// One line a step: "[step 1, confidence 0.98, 52 tokens/s] ...".
std::string StepLine(const Step& step);

// Tokens per second of a step; 0: too quick to say.
double StepSpeed(const Step& step);

}  // namespace raison::cli
