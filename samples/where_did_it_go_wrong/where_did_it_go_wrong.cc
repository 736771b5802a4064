// where_did_it_go_wrong: shows how sure the model was of each step, and draws a doubtful one again.
//
//   where_did_it_go_wrong                     the built-in model, a question of its own
//   where_did_it_go_wrong "A question"        another question
//   where_did_it_go_wrong "..." model.gguf    another model
//
// It asks which step to draw again: Return takes the least confident one, 0 none. The same program
// stands beside this one in other languages; all print the same.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <raison/raison.hpp>
#include <string>
#include <vector>

constexpr char kQuestion[] = "What is (17 + 26) * 38 - 14 * 9?";

std::string Rounded(float confidence) {
  char text[16];
  std::snprintf(text, sizeof text, "%.2f", confidence);
  return text;
}

// Runs to the end; prints each step, counted from `number`, and the answer. False: cut off.
bool Show(raison::Session& session, size_t number) {
  bool whole = false;
  for (const raison::Event& event : session.Events()) {
    if (event.kind == RSN_EVENT_STEP_END) {
      const raison::Step step = session.Step(event.step);
      std::string text = step.text;
      while (!text.empty() && text.back() == '\n') text.pop_back();
      char margin[32];
      std::snprintf(margin, sizeof margin, "%3zu  ", number);
      std::cout << margin << Rounded(step.confidence) << "  " << text << '\n';
      ++number;
    } else if (event.kind == RSN_EVENT_DONE) {
      std::cout << "answer: " << event.text << '\n';
      whole = event.reason == RSN_DONE_END;
    }
  }
  if (!whole) std::cout << "(the text was cut short)\n";
  return whole;
}

// The number of the step to draw again; 0: none.
size_t Choose(size_t least, size_t count) {
  std::cout << "Draw which step again, 1 to " << count << ", or 0 for none? [" << least << "] "
            << std::flush;
  std::string line;
  std::getline(std::cin, line);
  std::cout << '\n';
  if (line.empty()) return least;
  char* end = nullptr;
  const unsigned long number = std::strtoul(line.c_str(), &end, 10);
  if (line[0] >= '0' && line[0] <= '9' && *end == '\0' && number <= count) return number;
  std::cerr << "where_did_it_go_wrong: " << line << ": wanted a number from 0 to " << count << '\n';
  std::exit(1);
}

void WhereDidItGoWrong(const std::string& question, const std::string& path) {
  raison::Session session{raison::Model(path)};
  std::cout << question << '\n';
  session.Ask(question);
  bool whole = Show(session, 1);
  const std::string first = session.Answer().text;
  std::vector<raison::Step> steps;
  for (size_t i = 0; i < session.StepCount(); ++i) steps.push_back(session.Step(i));
  if (steps.empty()) {
    std::cout << "The model gave no steps of thinking: there is nothing to go back to.\n";
    return;
  }

  const raison::Step least = *std::min_element(
      steps.begin(), steps.end(),
      [](const raison::Step& a, const raison::Step& b) { return a.confidence < b.confidence; });
  std::cout << "\nStep " << least.index + 1
            << " is the least confident: the model gave its tokens a mean probability of "
            << Rounded(least.confidence) << ".\n"
            << "That is how sure it was of the words, not whether they are right.\n";
  const size_t number = Choose(least.index + 1, steps.size());
  if (number == 0) return;

  std::cout << "Again from step " << number << ":\n";
  // The next branch draws anew; at temperature 1 as the confidence's probabilities are.
  raison::GenerateOptions options;
  options.temperature = 1;
  session.Rewind(steps[number - 1].rewind, options);
  whole = Show(session, number) && whole;
  std::cout << '\n';
  const std::string second = session.Answer().text;
  if (!whole) {
    std::cout << "One of the two was cut short: they cannot be compared.\n";
  } else if (second == first) {
    std::cout << "Both times the answer is " << first << ". Two samples that agree are no proof.\n";
  } else {
    std::cout << "First " << first << ", then " << second
              << ". Unless the two mean the same, at least one is wrong;\n"
              << "the confidence does not say which.\n";
  }
}

int main(int argc, char** argv) try {
  WhereDidItGoWrong(argc > 1 ? argv[1] : kQuestion, argc > 2 ? argv[2] : "");
  return 0;
} catch (const raison::Error& error) {
  std::cerr << "where_did_it_go_wrong: " << error.what() << " ("
            << raison::StatusName(error.status()) << ")\n";
  return 1;
}
