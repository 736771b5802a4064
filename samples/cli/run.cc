// raison run: one question. Live view on a terminal; the answer alone, or events as JSON,
// otherwise.
#include "samples/cli/arguments.h"
#include "samples/cli/commands.h"
#include "samples/cli/errors.h"
#include "samples/cli/json_events.h"
#include "samples/cli/live_view.h"
#include "samples/cli/model_arguments.h"
#include "samples/cli/terminal.h"

namespace raison::cli {
namespace {

// Far more than any model's context holds, and nothing that hurts.
constexpr size_t kMostQuestion = size_t{64} << 20;
constexpr size_t kMostWords = 4096;

std::string ReadQuestion(const Words& words) {
  std::string question;
  if (words.empty() || (words.size() == 1 && words[0] == "-")) {
    if (InputIsTerminal() && words.empty()) {
      throw UsageError("which question? raison run \"How many r's are in strawberry?\"");
    }
    question = ReadInput(kMostQuestion);
    while (!question.empty() && (question.back() == '\n' || question.back() == '\r')) {
      question.pop_back();
    }
  }
  if (question.empty()) {
    for (const std::string& word : words) {
      if (word != "-" || words.size() > 1) question += (question.empty() ? "" : " ") + word;
    }
  }
  if (question.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw UsageError("the question is empty");
  }
  return question;
}

}  // namespace

int Run(const Words& words) {
  ModelArguments model_arguments;
  RequestArguments request;
  bool json = false, trace = false;
  Words question_words;
  Arguments arguments(
      "run", "[OPTIONS] [QUESTION...]",
      "Asks one question. On a terminal the thinking is shown as it comes, step by step, with each "
      "step's number, confidence and speed in the margin; otherwise only the answer is written. "
      "Without QUESTION, or with -, the question is read from the standard input.");
  arguments.Positional("QUESTION", &question_words, kMostWords);
  arguments.Section("Output");
  arguments.Flag("--trace", &trace, "when piped: the steps too, on standard error");
  arguments.Flag("--json", &json, "every event as a line of JSON (docs/trace.schema.json)");
  request.AddTo(arguments);
  model_arguments.AddTo(arguments);
  arguments.Example("raison run \"How many r's are in strawberry?\"", "asks the model inside");
  arguments.Example("raison run --model r1-7b.gguf --think-budget 500 \"Is 91 prime?\"",
                    "another model, at most 500 tokens of thinking");
  arguments.Example("echo \"What is 12 * 13?\" | raison run --trace > answer.txt",
                    "the answer to a file, the steps to the terminal");
  arguments.Example("raison run --json --alternatives 3 \"What is 7 * 8?\" | jq .event",
                    "events for another program");
  if (!arguments.Parse(words)) {
    Print(arguments.Help());
    return kOk;
  }
  request.Finish();
  const std::string question = ReadQuestion(question_words);

  const Model model = LoadModel(model_arguments);
  request.Check(model);
  Session session(model);
  if (request.system.empty()) {
    session.Ask(question, request.options);
  } else {
    Messages messages;
    messages.Add(RSN_ROLE_SYSTEM, request.system);
    messages.Add(RSN_ROLE_USER, question);
    session.Prompt(messages, request.options);
  }

  Event done;
  if (json) {
    const JsonEvents lines(model, session);
    Print(lines.RequestLine(question));
    done = Drive(session, [&](const Event& event) {
      Print(lines.EventLine(event));
      if (event.kind == RSN_EVENT_DONE) Print(lines.UsageLine());
    });
  } else if (OutputIsTerminal()) {
    LiveView view(session);
    done = Drive(session, [&](const Event& event) { view.Show(event); });
  } else {
    AnswerOnly answer;
    done = Drive(session, [&](const Event& event) {
      if (trace && event.kind == RSN_EVENT_STEP_END) {
        PrintError(StepLine(session.Step(static_cast<size_t>(event.step))));
      }
      answer.Show(event);
    });
  }
  ExplainDone(session, done);
  if (done.reason == RSN_DONE_CANCELLED) return kInterrupted;
  ExplainDecline(model.Info(), session.Text(RSN_CHANNEL_ANSWER));
  return HasAnswer(session) ? kOk : kFailure;
}

}  // namespace raison::cli
