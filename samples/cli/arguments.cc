#include "samples/cli/arguments.h"

#include <charconv>
#include <cmath>
#include <sstream>

#include "samples/cli/errors.h"

namespace raison::cli {
namespace {

constexpr size_t kHelpWidth = 80;
constexpr size_t kHelpColumn = 26;  // where an option's explanation begins

template <typename Call>
void ForEachName(const std::string& names, Call call) {
  std::istringstream in(names);
  for (std::string name; in >> name;) {
    if (name.back() == ',') name.pop_back();
    call(name);
  }
}

std::string_view Trimmed(float value, char (&buffer)[32]) {
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string_view(buffer, static_cast<size_t>(end - buffer));
}

template <typename T>
bool ParseWhole(const std::string& text, T* to) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, *to);
  return error == std::errc() && at == end;
}

}  // namespace

std::string Wrap(std::string_view text, size_t indent, size_t width) {
  std::string out;
  size_t column = indent;
  std::istringstream in{std::string(text)};
  for (std::string word; in >> word;) {
    if (column > indent && column + 1 + word.size() > width) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

Arguments::Arguments(std::string command, std::string synopsis, std::string about)
    : command_(std::move(command)), synopsis_(std::move(synopsis)), about_(std::move(about)) {}

void Arguments::Section(std::string title) { section_ = std::move(title); }

void Arguments::Add(std::string names, std::string value, std::string help, Set set) {
  const bool takes_value = !value.empty();
  options_.push_back(
      {std::move(names), std::move(value), std::move(help), section_, takes_value, std::move(set)});
}

void Arguments::Flag(std::string names, bool* to, std::string help) {
  Add(std::move(names), "", std::move(help), [to](auto&, auto&) { *to = true; });
}

void Arguments::Text(std::string names, std::string value, std::string* to, std::string help) {
  Add(std::move(names), std::move(value), std::move(help),
      [to](const std::string& option, const std::string& text) {
        // Mostly a shell variable that is not set: not to be taken for the default.
        if (text.empty()) throw UsageError(option + ": the value is empty");
        *to = text;
      });
}

void Arguments::List(std::string names, std::string value, std::vector<std::string>* to,
                     std::string help) {
  Add(std::move(names), std::move(value), std::move(help),
      [to](const std::string& option, const std::string& text) {
        if (text.empty()) throw UsageError(option + ": the value is empty");
        to->push_back(text);
      });
}

void Arguments::Integer(std::string names, std::string value, int32_t* to, std::string help,
                        int32_t least, int32_t most) {
  Add(std::move(names), std::move(value), std::move(help),
      [=](const std::string& option, const std::string& text) {
        int32_t number = 0;
        if (!ParseWhole(text, &number) || number < least || number > most) {
          throw UsageError(option + ": \"" + text + "\" is not a whole number from " +
                           std::to_string(least) + " to " + std::to_string(most));
        }
        *to = number;
      });
}

void Arguments::Unsigned(std::string names, std::string value, uint64_t* to, std::string help) {
  Add(std::move(names), std::move(value), std::move(help),
      [to](const std::string& option, const std::string& text) {
        if (!ParseWhole(text, to)) {
          throw UsageError(option + ": \"" + text + "\" is not a whole number from 0 to 2^64 - 1");
        }
      });
}

void Arguments::Number(std::string names, std::string value, float* to, std::string help,
                       float least, float most) {
  Add(std::move(names), std::move(value), std::move(help),
      [=](const std::string& option, const std::string& text) {
        float number = 0;
        if (!ParseWhole(text, &number) || !(number >= least && number <= most)) {
          char low[32], high[32];
          throw UsageError(option + ": \"" + text + "\" is not a number from " +
                           std::string(Trimmed(least, low)) + " to " +
                           std::string(Trimmed(most, high)));
        }
        *to = number;
      });
}

void Arguments::Choice(std::string names, int32_t* to, std::string help, std::vector<Word> words) {
  std::string value;
  for (const Word& word : words) value += (value.empty() ? "" : "|") + std::string(word.name);
  Add(std::move(names), value, std::move(help),
      [to, value, words](const std::string& option, const std::string& text) {
        for (const Word& word : words) {
          if (word.name == text) {
            *to = word.number;
            return;
          }
        }
        throw UsageError(option + ": \"" + text + "\" is not one of " + value);
      });
}

void Arguments::Positional(std::string name, std::vector<std::string>* to, size_t most) {
  positional_name_ = std::move(name);
  positional_ = to;
  positional_most_ = most;
}

void Arguments::Example(std::string line, std::string meaning) {
  examples_.emplace_back(std::move(line), std::move(meaning));
}

const Arguments::Option* Arguments::Find(std::string_view name) const {
  const Option* found = nullptr;
  for (const Option& option : options_) {
    ForEachName(option.names, [&](const std::string& own) {
      if (own == name) found = &option;
    });
  }
  return found;
}

void Arguments::Unknown(const std::string& word) const {
  throw UsageError("there is no option " + word);
}

bool Arguments::Parse(const std::vector<std::string>& words) {
  bool only_positional = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    // A lone "-" is a positional word: the standard input.
    if (only_positional || word.size() < 2 || word[0] != '-') {
      if (positional_ == nullptr || positional_->size() >= positional_most_) {
        throw UsageError(
            "what is \"" + word + "\" meant to be? The command takes " +
            (positional_most_ == 0 ? std::string("options only") : "only " + positional_name_));
      }
      positional_->push_back(word);
      continue;
    }
    if (word == "--") {
      only_positional = true;
      continue;
    }
    if (word == "--help" || word == "-h") return false;
    const size_t equals = word.rfind("--", 0) == 0 ? word.find('=') : std::string::npos;
    const std::string name = word.substr(0, equals);
    const Option* option = Find(name);
    if (option == nullptr) Unknown(name);
    if (!option->takes_value) {
      if (equals != std::string::npos) throw UsageError(name + " takes no value");
      option->set(name, "");
    } else if (equals != std::string::npos) {
      option->set(name, word.substr(equals + 1));
    } else if (i + 1 < words.size()) {
      option->set(name, words[++i]);
    } else {
      throw UsageError(name + " needs a value: " + option->value);
    }
  }
  return true;
}

std::string Arguments::Help() const {
  std::string out =
      "Usage: raison " + command_ + " " + synopsis_ + "\n\n" + Wrap(about_, 0, kHelpWidth) + "\n";
  std::string section;
  for (const Option& option : options_) {
    if (option.section != section) {
      section = option.section;
      out += "\n" + section + ":\n";
    }
    std::string head = "  " + option.names + (option.value.empty() ? "" : " " + option.value);
    if (head.size() + 2 > kHelpColumn) {
      out += head + "\n" + std::string(kHelpColumn, ' ');
    } else {
      out += head + std::string(kHelpColumn - head.size(), ' ');
    }
    out += Wrap(option.help, kHelpColumn, kHelpWidth) + "\n";
  }
  if (!examples_.empty()) out += "\nExamples:\n";
  for (const auto& [line, meaning] : examples_) {
    out += "  " + line + "\n      " + Wrap(meaning, 6, kHelpWidth) + "\n";
  }
  return out;
}

}  // namespace raison::cli
