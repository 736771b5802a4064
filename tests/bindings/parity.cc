<<<<<<< HEAD
// The C++ driver of tests/bindings/cases.txt (README.md beside it): runs the table through
// raison.hpp and prints what happened, which must be what the C driver prints, byte for byte.
// Refuses a verb that it does not know.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
=======
// The C++ driver of tests/bindings/cases.txt: prints, through raison.hpp, what the C driver prints.
#include <algorithm>
>>>>>>> wip-csharp
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <raison/raison.hpp>
<<<<<<< HEAD
=======
#include <regex>
>>>>>>> wip-csharp
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using raison::Event;
using raison::GenerateOptions;
<<<<<<< HEAD
using raison::Model;
using raison::Session;

// ---- a line of the table

struct Line {
  std::string verb, argument;  // argument: all of it, for `case`
  std::vector<std::pair<std::string, std::string>> values;

  const std::string* Find(const std::string& key) const {
    for (const auto& [name, value] : values) {
      if (name == key) return &value;
    }
    return nullptr;
  }
  std::string Text(const std::string& key, const std::string& otherwise = "") const {
    const std::string* value = Find(key);
    return value == nullptr ? otherwise : *value;
  }
  int64_t Number(const std::string& key, int64_t otherwise = 0) const {
    const std::string* value = Find(key);
    return value == nullptr ? otherwise : std::strtoll(value->c_str(), nullptr, 10);
  }
  bool Is(const std::string& key) const { return Number(key) != 0; }
};

std::string Unescape(const std::string& text) {
  static const std::map<char, char> letters = {{'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'0', '\0'}};
  std::string to;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      to += text[i];
      continue;
    }
    const auto letter = letters.find(text[++i]);
    to += letter == letters.end() ? text[i] : letter->second;
=======
using raison::Messages;
using raison::Model;
using raison::Session;

struct Closed {};
struct Mine {};

std::string Unescape(const std::string& text) {
  std::string to;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\' && i + 1 < text.size()) {
      c = text[++i];
      c = c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c == '0' ? '\0' : c;
    }
    to += c;
>>>>>>> wip-csharp
  }
  return to;
}

<<<<<<< HEAD
Line Parse(const std::string& raw) {
  Line line;
  std::istringstream parts(raw);
  std::getline(parts, line.verb, '\t');
  line.argument = raw.substr(std::min(raw.size(), line.verb.size() + 1));
  if (line.verb == "case" || line.verb == "want") return line;
  for (std::string part; std::getline(parts, part, '\t');) {
    const size_t equals = part.find('=');
    line.values.emplace_back(part.substr(0, equals), Unescape(part.substr(equals + 1)));
  }
  return line;
}

GenerateOptions OptionsOf(const Line& line, bool* any = nullptr) {
  GenerateOptions o;
=======
std::string Escape(const std::string& text) {
  std::string to;
  for (const char c : text) {
    switch (c) {
      case '\\':
        to += "\\\\";
        break;
      case '\n':
        to += "\\n";
        break;
      case '\r':
        to += "\\r";
        break;
      case '\t':
        to += "\\t";
        break;
      case '\0':
        to += "\\0";
        break;
      default:
        to += c;
    }
  }
  return to;
}

std::string Hex(const std::string& bytes) {
  std::string to;
  for (const char c : bytes) {
    to += "0123456789abcdef"[(c >> 4) & 15];
    to += "0123456789abcdef"[c & 15];
  }
  return to;
}

// The machine's own numbers.
std::string WithoutTimes(const std::string& json) {
  static const std::regex times("\"(microseconds|begin_seconds|end_seconds)\":[^,}]*");
  return std::regex_replace(json, times, "\"$1\":0");
}

bool IsMode(const std::string& text) { return text == "auto" || text == "on" || text == "off"; }

struct Line {
  std::string verb;
  std::vector<std::pair<std::string, std::string>> pairs;

  std::optional<std::string> Find(const std::string& key) const {
    for (const auto& [name, value] : pairs)
      if (name == key) return value;
    return std::nullopt;
  }
  std::string Text(const std::string& key, const std::string& otherwise = "") const {
    return Find(key).value_or(otherwise);
  }
  int64_t Number(const std::string& key, int64_t otherwise = 0) const {
    const auto value = Find(key);
    return value ? std::stoll(*value) : otherwise;
  }
  uint32_t Flags() const {
    return (Number("special") ? RSN_TOKENIZE_SPECIAL : 0) | (Number("bos") ? RSN_TOKENIZE_BOS : 0);
  }
};

bool ReadOption(const std::string& key, const std::string& value, GenerateOptions& o) {
>>>>>>> wip-csharp
  const std::map<std::string, int32_t*> integers = {{"max_tokens", &o.max_tokens},
                                                    {"branch", &o.branch},
                                                    {"top_k", &o.top_k},
                                                    {"penalty_last_n", &o.penalty_last_n},
                                                    {"think_budget_soft", &o.think_budget_soft},
                                                    {"think_budget_hard", &o.think_budget_hard},
                                                    {"think_minimum", &o.think_minimum},
                                                    {"answer_reserve", &o.answer_reserve},
                                                    {"alternatives", &o.alternatives}};
  const std::map<std::string, float*> numbers = {{"temperature", &o.temperature},
                                                 {"top_p", &o.top_p},
                                                 {"min_p", &o.min_p},
                                                 {"repetition_penalty", &o.repetition_penalty},
                                                 {"presence_penalty", &o.presence_penalty},
                                                 {"frequency_penalty", &o.frequency_penalty}};
<<<<<<< HEAD
  const std::map<std::string, int32_t> modes = {
      {"auto", RSN_THINKING_AUTO}, {"on", RSN_THINKING_ON}, {"off", RSN_THINKING_OFF}};
  size_t others = 0;
  for (const auto& [key, value] : line.values) {
    if (integers.count(key)) {
      *integers.at(key) = std::stoi(value);
    } else if (numbers.count(key)) {
      *numbers.at(key) = std::stof(value);
    } else if (key == "seed") {
      o.seed = std::stoull(value);
    } else if (key == "thinking" && modes.count(value)) {
      o.thinking = modes.at(value);
    } else if (key == "release") {
      o.release = RSN_RELEASE_STEP;
    } else if (key == "experts") {
      o.trace |= RSN_TRACE_EXPERTS;
    } else if (key == "trace_prompt") {
      o.trace |= RSN_TRACE_PROMPT;
    } else if (key == "exclude_first_token") {
      o.exclude_first_token = true;
    } else if (key == "continue_last") {
      o.continue_last = true;
    } else if (key == "continuation") {
      o.continuation = value;
    } else if (key == "template_arguments") {
      o.template_arguments = value;
    } else if (key == "stop") {
      o.stop.push_back(value);
    } else if (key == "logit_bias") {
      o.logit_bias_tokens.push_back(std::stoi(value));
      o.logit_bias.push_back(std::stof(value.substr(value.find(':') + 1)));
    } else {
      ++others;
    }
  }
  if (any != nullptr) *any = others < line.values.size();
  o.wait_ms = 60000;  // no progress event in between
  return o;
}

raison::Messages MessagesOf(const Line& line) {
  static const std::map<std::string, int32_t> roles = {{"system", RSN_ROLE_SYSTEM},
                                                       {"user", RSN_ROLE_USER},
                                                       {"assistant", RSN_ROLE_ASSISTANT},
                                                       {"tool", RSN_ROLE_TOOL}};
  raison::Messages messages;
  std::optional<std::string> thinking;
  for (const auto& [key, value] : line.values) {
    if (key == "thinking" && value != "auto" && value != "on" && value != "off") thinking = value;
    if (!roles.count(key)) continue;
    if (thinking) {
      messages.Add(roles.at(key), value, *thinking);
    } else {
      messages.Add(roles.at(key), value);
=======
  if (const auto at = integers.find(key); at != integers.end()) {
    *at->second = std::stoi(value);
  } else if (const auto at = numbers.find(key); at != numbers.end()) {
    *at->second = std::stof(value);
  } else if (key == "seed") {
    o.seed = std::stoull(value);
  } else if (key == "thinking" && IsMode(value)) {
    o.thinking =
        value == "on" ? RSN_THINKING_ON : (value == "off" ? RSN_THINKING_OFF : RSN_THINKING_AUTO);
  } else if (key == "release") {
    o.release = RSN_RELEASE_STEP;
  } else if (key == "experts") {
    o.trace |= RSN_TRACE_EXPERTS;
  } else if (key == "trace_prompt") {
    o.trace |= RSN_TRACE_PROMPT;
  } else if (key == "exclude_first_token") {
    o.exclude_first_token = true;
  } else if (key == "continue_last") {
    o.continue_last = true;
  } else if (key == "continuation") {
    o.continuation = value;
  } else if (key == "template_arguments") {
    o.template_arguments = value;
  } else if (key == "stop") {
    o.stop.push_back(value);
  } else if (key == "logit_bias") {
    o.logit_bias_tokens.push_back(std::stoi(value));
    o.logit_bias.push_back(std::stof(value.substr(value.find(':') + 1)));
  } else {
    return false;
  }
  return true;
}

struct Options {
  GenerateOptions values;
  bool any = false;
  explicit Options(const Line& line) {
    values.wait_ms = 60000;
    for (const auto& [key, value] : line.pairs) any |= ReadOption(key, value, values);
  }
};

Messages ReadMessages(const Line& line) {
  static const std::vector<std::string> roles = {"system", "user", "assistant", "tool"};
  Messages messages;
  std::optional<std::string> thinking;
  for (const auto& [key, value] : line.pairs) {
    if (key == "thinking" && !IsMode(value)) thinking = value;
    const auto role = std::find(roles.begin(), roles.end(), key);
    if (role == roles.end()) continue;
    const int32_t number = static_cast<int32_t>(role - roles.begin());
    if (thinking) {
      messages.Add(number, value, *thinking);
    } else {
      messages.Add(number, value);
>>>>>>> wip-csharp
    }
    thinking.reset();
  }
  return messages;
}

<<<<<<< HEAD
uint32_t TokenizeFlags(const Line& line) {
  return (line.Is("special") ? RSN_TOKENIZE_SPECIAL : 0) | (line.Is("bos") ? RSN_TOKENIZE_BOS : 0);
}

// ---- output

std::string Escape(const std::string& text) {
  static const std::map<char, char> letters = {
      {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}, {'\0', '0'}, {'\\', '\\'}};
  std::string to;
  for (const char c : text) {
    const auto letter = letters.find(c);
    if (letter != letters.end()) to += '\\';
    to += letter == letters.end() ? c : letter->second;
  }
  return to;
}

std::string Hex(const std::string& bytes) {
  std::string to;
  for (const char c : bytes) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c));
    to += two;
  }
  return to;
}

// The machine's own numbers become 0.
std::string WithoutTimes(std::string json) {
  for (const char* key : {"\"microseconds\":", "\"begin_seconds\":", "\"end_seconds\":"}) {
    const size_t at = json.find(key);
    if (at == std::string::npos) continue;
    const size_t begin = at + std::char_traits<char>::length(key);
    json.replace(begin, json.find_first_of(",}", begin) - begin, "0");
  }
  return json;
}

int32_t KindOf(const std::string& name) {
  static const char* const kinds[] = {"none",       "progress", "token",
                                      "step_begin", "step_end", "think_begin",
                                      "think_end",  "notice",   "done"};
  const auto found = std::find(std::begin(kinds), std::end(kinds), name);
  return static_cast<int32_t>(found - std::begin(kinds));
}

void PutEvent(const Event& event) {
  if (event.kind != RSN_EVENT_PROGRESS) std::cout << WithoutTimes(raison::ToJson(event)) << '\n';
}

struct Mine {};    // what the callback throws
struct Closed {};  // a verb on what was closed, or never made

// ---- the verbs

class Driver {
 public:
  void Run(const Line& line) {
    if (line.verb == "case") {
      sessions_.clear();
      model_.reset();
      current_ = "a";
      std::cout << "case " << line.argument << '\n';
      return;
    }
    std::cout << "> " << line.verb << '\n';
    try {
      if (OfModel(line) || OfSession(line)) return;
      Silent(line);
      std::cout << "ok\n";
    } catch (const raison::Error& error) {
      std::cout << "error " << raison::StatusName(error.status()) << '\n';
    } catch (const Closed&) {
      std::cout << "closed\n";
=======
int32_t KindOf(const std::string& name) {
  static const std::vector<std::string> kinds = {"none",       "progress", "token",
                                                 "step_begin", "step_end", "think_begin",
                                                 "think_end",  "notice",   "done"};
  return static_cast<int32_t>(std::find(kinds.begin(), kinds.end(), name) - kinds.begin());
}

class Driver {
 public:
  void Run(std::istream& table) {
    std::string raw;
    while (std::getline(table, raw)) {
      if (raw.empty() || raw[0] == '#') continue;
      Line line;
      std::istringstream parts(raw);
      std::getline(parts, line.verb, '\t');
      if (line.verb == "want") continue;
      std::string part;
      if (line.verb == "case") {
        std::getline(parts, part);
        model_.reset();
        sessions_.clear();
        current_ = "a";
        std::cout << "case " << part << '\n';
        continue;
      }
      while (std::getline(parts, part, '\t')) {
        const size_t equals = part.find('=');
        line.pairs.emplace_back(part.substr(0, equals), Unescape(part.substr(equals + 1)));
      }
      std::cout << "> " << line.verb << '\n';
      try {
        if (Do(line)) std::cout << "ok\n";
      } catch (const Closed&) {
        std::cout << "closed\n";
      } catch (const raison::Error& error) {
        std::cout << "error " << raison::StatusName(error.status()) << '\n';
      }
>>>>>>> wip-csharp
    }
  }

 private:
<<<<<<< HEAD
  Model& model() { return model_ ? *model_ : throw Closed(); }
  Session& session() {
    const auto found = sessions_.find(current_);
    return found == sessions_.end() ? throw Closed() : found->second;
  }

  // Verbs that print nothing but ok.
  void Silent(const Line& line) {
    const std::string& verb = line.verb;
    if (verb == "load") return Load(line);
    if (verb == "session") return NewSession(line);
    if (verb == "use") {
=======
  Model& TheModel() {
    if (!model_) throw Closed();
    return *model_;
  }
  Session& TheSession() {
    const auto at = sessions_.find(current_);
    if (at == sessions_.end()) throw Closed();
    return at->second;
  }
  void Keep(const std::string& name, Session session) {
    sessions_.insert_or_assign(name, std::move(session));
  }

  // True: nothing was printed, it is "ok".
  bool Do(const Line& line) {
    const std::string& verb = line.verb;
    if (verb == "load") {
      Load(line);
    } else if (verb == "session") {
      const raison::SessionOptions options{static_cast<uint32_t>(line.Number("context_length"))};
      current_ = line.Text("name", "a");
      Keep(current_, Session(TheModel(), options));
    } else if (verb == "use") {
>>>>>>> wip-csharp
      current_ = line.Text("name", "a");
    } else if (verb == "close") {
      if (line.Text("what") == "model") {
        model_.reset();
      } else {
        sessions_.erase(line.Text("name", current_));
      }
    } else if (verb == "ask") {
<<<<<<< HEAD
      session().Ask(line.Text("text"), OptionsOf(line));
    } else if (verb == "prompt") {
      session().Prompt(MessagesOf(line), OptionsOf(line));
    } else if (verb == "prompt_text") {
      session().PromptText(line.Text("text"), TokenizeFlags(line), OptionsOf(line));
    } else if (verb == "end_thinking") {
      session().EndThinking();
    } else if (verb == "stop") {
      session().Stop();
    } else if (verb == "cancel") {
      session().Cancel();
    } else if (verb == "inject") {
      session().Inject(line.Text("text"));
    } else if (verb == "rewind" || verb == "fork") {
      Branch(line);
    } else {
      std::cerr << "unknown verb '" << verb << "'\n";
      std::exit(2);
=======
      TheSession().Ask(line.Text("text"), Options(line).values);
    } else if (verb == "prompt") {
      TheSession().Prompt(ReadMessages(line), Options(line).values);
    } else if (verb == "prompt_text") {
      TheSession().PromptText(line.Text("text"), line.Flags(), Options(line).values);
    } else if (verb == "end_thinking") {
      TheSession().EndThinking();
    } else if (verb == "stop") {
      TheSession().Stop();
    } else if (verb == "cancel") {
      TheSession().Cancel();
    } else if (verb == "inject") {
      TheSession().Inject(line.Text("text"));
    } else if (verb == "rewind") {
      Session& session = TheSession();
      const int64_t position = line.Find("step")
                                   ? session.Step(static_cast<size_t>(line.Number("step"))).rewind
                                   : line.Number("position");
      const Options options(line);
      options.any ? session.Rewind(position, options.values) : session.Rewind(position);
    } else if (verb == "fork") {
      const Options options(line);
      Keep(line.Text("name"),
           options.any ? TheSession().Fork(options.values) : TheSession().Fork());
    } else {
      Tell(line);
      return false;
    }
    return true;
  }

  void Tell(const Line& line) {
    const std::string& verb = line.verb;
    if (verb == "info") {
      const raison::ModelInfo i = TheModel().Info();
      std::cout << "info " << i.architecture << ' ' << i.name << ' ' << i.parameters << ' '
                << i.vocabulary << ' ' << i.layers << ' ' << i.experts << ' ' << i.tensors << '\n';
    } else if (verb == "tokenize") {
      const std::vector<int32_t> tokens = TheModel().Tokenize(line.Text("text"), line.Flags());
      std::cout << "tokens";
      for (const int32_t t : tokens) std::cout << ' ' << t;
      std::cout << '\n';
    } else if (verb == "detokenize") {
      std::vector<int32_t> tokens;
      std::istringstream list(line.Text("tokens"));
      for (std::string token; std::getline(list, token, ',');) tokens.push_back(std::stoi(token));
      const uint32_t flags = line.Number("special") ? RSN_DETOKENIZE_SPECIAL : 0;
      const std::string bytes = TheModel().Detokenize(tokens, flags);
      std::cout << "bytes " << Hex(bytes) << '\n';
    } else if (verb == "token_text") {
      const int32_t token = static_cast<int32_t>(line.Number("token"));
      const std::string bytes = TheModel().TokenText(token);
      std::cout << "bytes " << Hex(bytes) << '\n';
    } else if (verb == "render") {
      const std::string text = TheModel().Render(ReadMessages(line), Options(line).values);
      std::cout << "text " << Escape(text) << '\n';
    } else if (verb == "threads") {
      Threads(line);
    } else if (verb == "together") {
      Together(line);
    } else {
      TellSession(line, TheSession());
    }
  }

  void TellSession(const Line& line, Session& session) {
    const std::string& verb = line.verb;
    if (verb == "events") {
      Events(line, session);
    } else if (verb == "run") {
      Callback(line, session);
    } else if (verb == "steps") {
      for (size_t i = 0; i < session.StepCount(); ++i) {
        std::cout << WithoutTimes(ToJson(session.Step(i))) << '\n';
      }
    } else if (verb == "text") {
      const bool thinking = line.Text("channel") == "thinking";
      const std::string text = session.Text(thinking ? RSN_CHANNEL_THINKING : RSN_CHANNEL_ANSWER);
      std::cout << "text " << Escape(text) << '\n';
    } else if (verb == "answer") {
      const raison::Answer answer = session.Answer();
      std::cout << "answer " << answer.step << ' ' << Escape(answer.text) << '\n';
    } else if (verb == "usage") {
      const raison::Usage u = session.Usage();
      std::cout << "usage " << u.prompt_tokens << ' ' << u.cached_tokens << ' ' << u.thinking_tokens
                << ' ' << u.answer_tokens << ' ' << u.forced_tokens << ' ' << u.discarded_tokens
                << '\n';
    } else if (verb == "position") {
      const int64_t position = session.Position();
      std::cout << "position " << position << '\n';
    } else if (verb == "running") {
      const bool running = session.Running();
      std::cout << "running " << running << '\n';
    } else if (verb == "tokens") {
      for (int64_t i = 0; i < session.Position(); ++i) {
        const raison::Token t = session.Token(i);
        std::cout << "token " << t.position << ' ' << t.token << ' ' << t.step << ' ' << t.channel
                  << ' ' << t.source << ' ' << t.rank << ' ' << t.branch << ' ' << Hex(t.text)
                  << '\n';
      }
    } else if (verb == "options") {
      const GenerateOptions o = session.EffectiveOptions();
      std::cout << "options " << o.seed;
      for (const int32_t n :
           {o.branch, o.max_tokens, o.top_k, o.alternatives, o.think_budget_soft,
            o.think_budget_hard, o.think_minimum, o.answer_reserve, o.thinking, o.release}) {
        std::cout << ' ' << n;
      }
      for (const std::string& text : o.stop) std::cout << ' ' << Escape(text);
      std::cout << '\n';
    } else if (verb == "experts") {
      const size_t index = static_cast<size_t>(line.Number("index"));
      const std::vector<uint32_t> counts = session.StepExperts(index);
      std::cout << "experts";
      for (const uint32_t n : counts) std::cout << ' ' << n;
      std::cout << '\n';
    } else if (verb == "logits") {
      const std::vector<float> row = session.Logits();
      std::cout << "logits " << row.size() << ' '
                << std::max_element(row.begin(), row.end()) - row.begin() << '\n';
    } else {
      std::cerr << "unknown verb '" << verb << "'\n";
>>>>>>> wip-csharp
    }
  }

  void Load(const Line& line) {
    raison::ModelOptions options;
    options.device = line.Text("device");
    options.chat_template = line.Text("chat_template");
    options.context_length = static_cast<uint32_t>(line.Number("context_length"));
    options.kv_bytes = static_cast<uint64_t>(line.Number("kv_bytes"));
<<<<<<< HEAD
    const std::string load = line.Text("load", "map");
    options.load = load == "copy"     ? RSN_LOAD_COPY
                   : load == "header" ? RSN_LOAD_HEADER
                                      : RSN_LOAD_MAP;
    model_.reset();
    if (const std::string* hex = line.Find("bytes")) {
=======
    const std::string mode = line.Text("load", "map");
    options.load =
        mode == "copy" ? RSN_LOAD_COPY : (mode == "header" ? RSN_LOAD_HEADER : RSN_LOAD_MAP);
    model_.reset();
    if (const auto hex = line.Find("bytes")) {
>>>>>>> wip-csharp
      std::string bytes;
      for (size_t i = 0; i + 1 < hex->size(); i += 2) {
        bytes += static_cast<char>(std::stoi(hex->substr(i, 2), nullptr, 16));
      }
<<<<<<< HEAD
      model_ = Model::FromBytes(bytes, options);
    } else {
      model_ = Model(line.Text("path"), options);
    }
  }

  void NewSession(const Line& line) {
    raison::SessionOptions options;
    options.context_length = static_cast<uint32_t>(line.Number("context_length"));
    const Model& of = model();
    current_ = line.Text("name", "a");
    sessions_.erase(current_);
    sessions_.emplace(current_, Session(of, options));
  }

  void Branch(const Line& line) {
    bool any = false;
    const GenerateOptions options = OptionsOf(line, &any);
    if (line.verb == "fork") {
      Session fork = any ? session().Fork(options) : session().Fork();
      sessions_.insert_or_assign(line.Text("name", "b"), std::move(fork));
      return;
    }
    const int64_t position =
        line.Find("step") ? session().Step(line.Number("step")).rewind : line.Number("position");
    if (any) {
      session().Rewind(position, options);
    } else {
      session().Rewind(position);
    }
  }

  // Verbs that ask a model; false: the verb is none of them.
  bool OfModel(const Line& line) {
    const std::string& verb = line.verb;
    if (verb == "info") {
      const raison::ModelInfo i = model().Info();
      std::cout << "info " << i.architecture << ' ' << i.name << ' ' << i.parameters << ' '
                << i.vocabulary << ' ' << i.layers << ' ' << i.experts << ' ' << i.tensors << '\n';
    } else if (verb == "tokenize") {
      const std::vector<int32_t> tokens = model().Tokenize(line.Text("text"), TokenizeFlags(line));
      std::cout << "tokens";
      for (const int32_t token : tokens) std::cout << ' ' << token;
      std::cout << '\n';
    } else if (verb == "detokenize") {
      std::vector<int32_t> tokens;
      std::istringstream parts(line.Text("tokens"));
      for (std::string part; std::getline(parts, part, ',');) tokens.push_back(std::stoi(part));
      const uint32_t flags = line.Is("special") ? RSN_DETOKENIZE_SPECIAL : 0;
      std::cout << "bytes " + Hex(model().Detokenize(tokens, flags)) + "\n";
    } else if (verb == "token_text") {
      const int32_t token = static_cast<int32_t>(line.Number("token"));
      std::cout << "bytes " + Hex(model().TokenText(token)) + "\n";
    } else if (verb == "render") {
      std::cout << "text " + Escape(model().Render(MessagesOf(line), OptionsOf(line))) + "\n";
    } else if (verb == "threads") {
      Threads(line);
    } else if (verb == "together") {
      Together(line);
    } else {
      return false;
    }
    return true;
  }

  void Threads(const Line& line) {
    std::vector<std::string> answers(line.Number("count"));
    std::vector<std::thread> threads;
    for (std::string& answer : answers) {
      threads.emplace_back([&line, &answer, this] {
        Session own(model());
        own.Ask(line.Text("text"), OptionsOf(line));
        answer = own.Run();
=======
      model_.emplace(Model::FromBytes(bytes, options));
    } else {
      model_.emplace(line.Text("path"), options);
    }
  }

  static void Say(const Event& event) {
    if (event.kind != RSN_EVENT_PROGRESS) std::cout << WithoutTimes(ToJson(event)) << '\n';
  }

  static void Events(const Line& line, Session& session) {
    const int32_t until = KindOf(line.Text("until", "done"));
    int64_t count = line.Number("count", 1);
    if (!session.Running()) return;
    for (const Event& event : session.Events()) {
      Say(event);
      if (event.kind == until && --count == 0) break;
    }
  }

  static void Callback(const Line& line, Session& session) {
    const int32_t at = KindOf(line.Text("at"));
    int64_t left = line.Number("nth", 1);
    const std::string verdict = line.Text("verdict");
    try {
      session.Run([&](Session& running, const Event& event) -> int32_t {
        Say(event);
        if (event.kind != at || --left != 0) return RSN_CONTINUE;
        if (verdict == "throw") throw Mine();
        if (verdict == "cancel") std::thread([&] { running.Cancel(); }).join();
        return verdict == "end_thinking" ? RSN_END_THINKING
                                         : (verdict == "stop" ? RSN_STOP : RSN_CONTINUE);
      });
      std::cout << "answer " << Escape(session.Text(RSN_CHANNEL_ANSWER)) << '\n';
    } catch (const Mine&) {
      std::cout << "thrown\n";
    }
  }

  void Threads(const Line& line) {
    std::vector<std::string> answers(static_cast<size_t>(line.Number("count")));
    std::vector<std::thread> threads;
    const Model model = TheModel();
    for (std::string& answer : answers) {
      threads.emplace_back([&line, &model, &answer] {
        Session session(model);
        session.Ask(line.Text("text"), Options(line).values);
        answer = session.Run();
>>>>>>> wip-csharp
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& answer : answers) std::cout << "thread " << Escape(answer) << '\n';
  }

  void Together(const Line& line) {
<<<<<<< HEAD
    raison::Sessions together;
    for (const auto& [key, value] : line.values) {
      if (key != "text") continue;
      Session one(model());
      one.Ask(value, OptionsOf(line));
      together.Add(one);
    }
    Event event;
    while (together.Next(event) >= 0) {
    }
    for (size_t i = 0; i < together.Size(); ++i) {
      std::cout << "together " << i << ' ' << Escape(together.At(i).Text(RSN_CHANNEL_ANSWER))
                << '\n';
    }
  }

  // Verbs that ask a session; false: the verb is none of them.
  bool OfSession(const Line& line) {
    const std::string& verb = line.verb;
    if (verb == "events") {
      Events(line);
    } else if (verb == "run") {
      RunRequest(line);
    } else if (verb == "steps") {
      for (size_t i = 0; i < session().StepCount(); ++i) {
        std::cout << WithoutTimes(raison::ToJson(session().Step(i))) << '\n';
      }
    } else if (verb == "text") {
      const bool thinking = line.Text("channel") == "thinking";
      const int32_t channel = thinking ? RSN_CHANNEL_THINKING : RSN_CHANNEL_ANSWER;
      std::cout << "text " + Escape(session().Text(channel)) + "\n";
    } else if (verb == "answer") {
      const raison::Answer answer = session().Answer();
      std::cout << "answer " << answer.step << ' ' << Escape(answer.text) << '\n';
    } else if (verb == "usage") {
      const raison::Usage u = session().Usage();
      std::cout << "usage " << u.prompt_tokens << ' ' << u.cached_tokens << ' ' << u.thinking_tokens
                << ' ' << u.answer_tokens << ' ' << u.forced_tokens << ' ' << u.discarded_tokens
                << '\n';
    } else if (verb == "position") {
      std::cout << "position " + std::to_string(session().Position()) + "\n";
    } else if (verb == "running") {
      std::cout << (session().Running() ? "running 1\n" : "running 0\n");
    } else if (verb == "tokens") {
      for (int64_t i = 0; i < session().Position(); ++i) {
        const raison::Token t = session().Token(i);
        std::cout << "token " << t.position << ' ' << t.token << ' ' << t.step << ' ' << t.channel
                  << ' ' << t.source << ' ' << t.rank << ' ' << t.branch << ' ' << Hex(t.text)
                  << '\n';
      }
    } else if (verb == "options") {
      Options();
    } else if (verb == "experts") {
      const std::vector<uint32_t> counts = session().StepExperts(line.Number("index"));
      std::cout << "experts";
      for (const uint32_t count : counts) std::cout << ' ' << count;
      std::cout << '\n';
    } else if (verb == "logits") {
      const std::vector<float> row = session().Logits();
      const auto best = std::max_element(row.begin(), row.end()) - row.begin();
      std::cout << "logits " << row.size() << ' ' << best << '\n';
    } else {
      return false;
    }
    return true;
  }

  void Events(const Line& line) {
    const int32_t until = KindOf(line.Text("until", "done"));
    int64_t count = line.Number("count", 1);
    Event event;
    while (session().Running()) {
      session().Next(event);
      PutEvent(event);
      if (event.kind == until && --count == 0) break;
    }
  }

  void RunRequest(const Line& line) {
    const int32_t at = KindOf(line.Text("at", "none"));
    const std::string verdict = line.Text("verdict");
    int64_t left = line.Number("nth", 1);
    try {
      session().Run([&](Session& s, const Event& event) -> int32_t {
        PutEvent(event);
        if (event.kind != at || --left != 0) return RSN_CONTINUE;
        if (verdict == "throw") throw Mine();
        if (verdict == "cancel") std::thread([&s] { s.Cancel(); }).join();
        return verdict == "end_thinking" ? RSN_END_THINKING
               : verdict == "stop"       ? RSN_STOP
                                         : RSN_CONTINUE;
      });
      std::cout << "answer " + Escape(session().Text(RSN_CHANNEL_ANSWER)) + "\n";
    } catch (const Mine&) {
      std::cout << "thrown\n";
    }
  }

  void Options() {
    const GenerateOptions o = session().EffectiveOptions();
    std::cout << "options " << o.seed;
    for (const int32_t number :
         {o.branch, o.max_tokens, o.top_k, o.alternatives, o.think_budget_soft, o.think_budget_hard,
          o.think_minimum, o.answer_reserve, o.thinking, o.release}) {
      std::cout << ' ' << number;
    }
    for (const std::string& stop : o.stop) std::cout << ' ' << Escape(stop);
    std::cout << '\n';
  }

=======
    raison::Sessions group;
    for (const auto& [key, value] : line.pairs) {
      if (key != "text") continue;
      Session session(TheModel());
      session.Ask(value, Options(line).values);
      group.Add(session);
    }
    Event event;
    while (group.Next(event) >= 0) {
    }
    for (size_t i = 0; i < group.Size(); ++i) {
      std::cout << "together " << i << ' ' << Escape(group.At(i).Text(RSN_CHANNEL_ANSWER)) << '\n';
    }
  }

>>>>>>> wip-csharp
  std::optional<Model> model_;
  std::map<std::string, Session> sessions_;
  std::string current_ = "a";
};

}  // namespace

int main(int argc, char** argv) {
<<<<<<< HEAD
  std::ifstream table(argc == 2 ? argv[1] : "", std::ios::binary);
  if (!table) {
    std::cerr << "usage: parity CASES\n";
    return 2;
  }
  Driver driver;
  for (std::string raw; std::getline(table, raw);) {
    if (raw.empty() || raw[0] == '#' || raw.rfind("want\t", 0) == 0) continue;
    driver.Run(Parse(raw));
  }
=======
  std::ifstream table(argc == 2 ? argv[1] : "");
  if (!table) {
    std::cerr << "usage: parity_cpp CASES\n";
    return 2;
  }
  Driver().Run(table);
>>>>>>> wip-csharp
  return 0;
}
