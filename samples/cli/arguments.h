// The command line of one command: options with their help, positional words, and the text that
// --help prints. Refuses unknown options, missing or malformed values and numbers out of range with
// a UsageError that names the option and the value.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace raison::cli {

class Arguments {
 public:
  // synopsis: "[OPTIONS] [QUESTION...]"; about: a paragraph.
  Arguments(std::string command, std::string synopsis, std::string about);

  // A heading over the options that follow.
  void Section(std::string title);
  // names: "--model" or "-m, --model". A value is given as "--model X" or "--model=X".
  void Flag(std::string names, bool* to, std::string help);
  void Text(std::string names, std::string value, std::string* to, std::string help);
  void List(std::string names, std::string value, std::vector<std::string>* to, std::string help);
  void Integer(std::string names, std::string value, int32_t* to, std::string help, int32_t least,
               int32_t most);
  void Unsigned(std::string names, std::string value, uint64_t* to, std::string help);
  void Number(std::string names, std::string value, float* to, std::string help, float least,
              float most);
  // words[i] sets *to to numbers[i].
  struct Word {
    std::string_view name;
    int32_t number;
  };
  void Choice(std::string names, int32_t* to, std::string help, std::vector<Word> words);
  void Positional(std::string name, std::vector<std::string>* to, size_t most);
  void Example(std::string line, std::string meaning);

  // false: --help was asked for.
  bool Parse(const std::vector<std::string>& words);
  std::string Help() const;

 private:
  using Set = std::function<void(const std::string& option, const std::string& value)>;
  struct Option {
    std::string names, value, help, section;
    bool takes_value = false;
    Set set;
  };
  void Add(std::string names, std::string value, std::string help, Set set);
  const Option* Find(std::string_view name) const;
  [[noreturn]] void Unknown(const std::string& word) const;

  std::string command_, synopsis_, about_, section_ = "Options";
  std::vector<Option> options_;
  std::string positional_name_;
  std::vector<std::string>* positional_ = nullptr;
  size_t positional_most_ = 0;
  std::vector<std::pair<std::string, std::string>> examples_;
};

// Text wrapped at `width` columns, every line but the first indented.
std::string Wrap(std::string_view text, size_t indent, size_t width);

}  // namespace raison::cli
