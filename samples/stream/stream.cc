// stream: asks a question and shows the reasoning step by step, then the answer.
//
//   stream                           the built-in model, a question of its own
//   stream "What is 12 * 13?"        another question
//   stream "..." model.gguf          another model
//
// The same program stands beside this one in other languages; all print the same.
#include <cstdio>
#include <iostream>
#include <raison/raison.hpp>

// One line in the margin of a step: its number and how sure the model was of it.
void PrintStep(const raison::Step& step) {
  std::string text = step.text;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  char margin[64];
  std::snprintf(margin, sizeof margin, "[step %d, confidence %.2f] ", step.index + 1,
                step.confidence);
  std::cout << margin << text << '\n';
}

int main(int argc, char** argv) try {
  raison::Session session{raison::Model(argc > 2 ? argv[2] : "")};
  session.Ask(argc > 1 ? argv[1] : "How many r's are in strawberry?");
  for (const raison::Event& event : session.Events()) {
    if (event.kind == RSN_EVENT_STEP_END) PrintStep(session.Step(event.step));
    if (event.kind == RSN_EVENT_TOKEN && event.channel == RSN_CHANNEL_ANSWER) {
      std::cout << event.text << std::flush;
    }
    if (event.kind == RSN_EVENT_DONE) std::cout << "\n[final answer: " << event.text << "]\n";
  }
  const raison::Usage usage = session.Usage();
  std::cout << '[' << usage.thinking_tokens << " tokens of thinking, " << usage.answer_tokens
            << " of answer]\n";
  return 0;
} catch (const raison::Error& error) {
  std::cerr << "stream: " << error.what() << " (" << raison::StatusName(error.status()) << ")\n";
  return 1;
}
