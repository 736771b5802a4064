// docs/status.md against the library: every status of raison.h has its section, and the sample
// message in it is the sentence that the library gives, byte for byte, wherever a test can bring
// the failure about.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "fixture.h"

namespace raison::test {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream in(std::string(RAISON_SOURCE_FOLDER) + "/" + path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// What a section of the page says, under "## RSN_ERR_NAME (-10)".
struct Section {
  int32_t number = 0;
  bool cause = false, remedy = false;
  std::string message;  // the quoted lines
};

std::map<std::string, Section> ReadPage() {
  static const std::regex heading("## (RSN_\\w+) \\((-?\\d+)\\)");
  std::map<std::string, Section> page;
  Section* section = nullptr;
  std::istringstream lines(ReadAll("docs/status.md"));
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, heading)) {
      section = &page[match[1]];
      section->number = std::stoi(match[2]);
    } else if (section != nullptr) {
      section->cause |= line.rfind("**Cause.**", 0) == 0;
      section->remedy |= line.rfind("**Remedy.**", 0) == 0;
      if (line.rfind("    ", 0) == 0) section->message += line.substr(4);
    }
  }
  return page;
}

// The status and the sentence of a call that fails.
struct Failure {
  int32_t status = RSN_OK;
  std::string sentence;
};

Failure FailureOf(const std::function<void()>& call) {
  try {
    call();
    return {};
  } catch (const Error& error) {
    return {error.status(), error.what()};
  }
}

// What a child process of ours meets; its sentence comes back through a pipe.
Failure FailureOfChild(const std::function<void()>& call) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child == 0) {
    const Failure failure = FailureOf(call);
    const std::string told = std::to_string(failure.status) + " " + failure.sentence;
    const ssize_t written = write(ends[1], told.data(), told.size());
    _exit(written == static_cast<ssize_t>(told.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string told;
  char part[512];
  for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) told.append(part, n);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  const size_t space = told.find(' ');
  if (space == std::string::npos) return {};
  return {std::stoi(told), told.substr(space + 1)};
}

// A GGUF file's bytes up to and including general.architecture.
std::string GgufOf(const std::string& architecture) {
  std::string bytes("GGUF\x03\0\0\0", 8);
  const auto number = [&bytes](uint64_t v, int size) {
    for (int i = 0; i < size; ++i) bytes.push_back(static_cast<char>(v >> (8 * i)));
  };
  const std::string key = "general.architecture";
  number(0, 8);
  number(1, 8);
  number(key.size(), 8);
  bytes += key;
  number(8, 4);  // a string
  number(architecture.size(), 8);
  bytes += architecture;
  return bytes.append(64, '\0');
}

void RunToTheEnd(Session& session) {
  for (const Event& event : session.Events()) {
    if (event.kind == RSN_EVENT_DONE) break;
  }
}

Failure OfArgument() {
  return FailureOf([] {
    GenerateOptions options;
    options.top_p = 2;
    Session(BuiltIn()).Ask(kQuestion, options);
  });
}

Failure OfStruct() {
  rsn_usage usage;
  std::memset(&usage, 0, sizeof usage);
  Session session(BuiltIn());
  const int32_t status = rsn_session_usage(session.handle(), &usage);
  return {status, rsn_last_error()};
}

Failure OfText() {
  return FailureOf([] { Session(BuiltIn()).Ask("caf\xE9"); });
}

Failure OfCapacity() {
  int32_t tokens[2];
  size_t count = 0;
  const int32_t status =
      rsn_model_tokenize(BuiltIn().handle(), kQuestion, RSN_NUL, 0, tokens, 2, &count);
  return {status, rsn_last_error()};
}

Failure OfNotFound() {
  return FailureOf([] { Model("no-such-model.gguf"); });
}

Failure OfFormat() {
  return FailureOf([] { Model::FromBytes("<!DOCTYPE html><title>404</title>"); });
}

Failure OfUnsupported() {
  return FailureOf([] { Model::FromBytes(GgufOf("mamba")); });
}

Failure OfTemplate() {
  return FailureOf([] {
    ModelOptions options;
    options.chat_template = "{{ raise_exception('Roles must alternate') }}";
    Session(Model("", options)).Ask(kQuestion);
  });
}

Failure OfMemory() {
  return FailureOfChild([] {
    rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    // Room for anything small, and none for a copy of the model's 18 MB.
    limit.rlim_cur = pages * sysconf(_SC_PAGESIZE) + (8 << 20);
    setrlimit(RLIMIT_AS, &limit);
    ModelOptions options;
    options.load = RSN_LOAD_COPY;
    Model("", options);
  });
}

Failure OfKv() {
  ModelOptions options;
  options.kv_bytes = 64 * BuiltIn().Info().kv_bytes_per_token;  // one page of 64 tokens
  Session session{Model("", options)};
  GenerateOptions generate = Greedy(150);
  generate.think_minimum = 150;
  generate.answer_reserve = 0;
  session.Ask(kQuestion, generate);
  return FailureOf([&] { RunToTheEnd(session); });
}

Failure OfDevice() {
  ModelOptions options;
  options.device = "npu";
  return FailureOf([&] { Model("", options); });
}

Failure OfState() {
  Session session(BuiltIn());
  Event event;
  return FailureOf([&] { session.Next(event); });
}

Failure OfBusy() {
  Failure failure;
  Session session(BuiltIn());
  session.Ask(kQuestion, Greedy());
  session.Run([&](Session& s, const Event&) {
    std::thread([&] { failure = FailureOf([&] { s.Position(); }); }).join();
    return RSN_STOP;
  });
  return failure;
}

Failure OfForked() {
  Session session(BuiltIn());
  return FailureOfChild([&] { session.Ask(kQuestion); });
}

Failure OfContext() {
  SessionOptions options;
  options.context_length = 64;
  Session session(BuiltIn(), options);
  std::string much;
  for (int i = 0; i < 200; ++i) much += "12 ";
  return FailureOf([&] { session.Ask(much); });
}

Failure OfCancelled() {
  ModelOptions options;
  options.load = RSN_LOAD_COPY;
  options.progress = [](uint64_t, uint64_t) { return false; };
  return FailureOf([&] { Model("", options); });
}

Failure OfNonFinite() {
  Session session{Model::FromBytes(BuiltInWithNan())};
  session.Ask(kQuestion, Greedy());
  return FailureOf([&] { RunToTheEnd(session); });
}

// What differs from machine to machine is as the page has it: the built-in model's folder, the
// number of this process, the plug-ins that are built.
std::string AsOnThePage(std::string sentence) {
  static const std::regex folder("^/[^:]*/petit\\.gguf: "), process("process \\d+"),
      known("known: cpu, .*");
  sentence = std::regex_replace(sentence, folder, "model.gguf: ");
  sentence = std::regex_replace(sentence, process, "process 4711");
  return std::regex_replace(sentence, known, "known: cpu, cuda, vulkan");
}

struct Case {
  const char* name;
  Failure (*produce)();  // nullptr: no test can bring it about through the ABI
};
const Case kCases[] = {
    {"RSN_ERR_ARGUMENT", OfArgument},
    {"RSN_ERR_STRUCT", OfStruct},
    {"RSN_ERR_TEXT", OfText},
    {"RSN_ERR_CAPACITY", OfCapacity},
    {"RSN_ERR_NOT_FOUND", OfNotFound},
    {"RSN_ERR_FORMAT", OfFormat},
    {"RSN_ERR_UNSUPPORTED", OfUnsupported},
    {"RSN_ERR_TEMPLATE", OfTemplate},
    {"RSN_ERR_MEMORY", OfMemory},
    {"RSN_ERR_KV", OfKv},
    {"RSN_ERR_DEVICE", OfDevice},
    {"RSN_ERR_STATE", OfState},
    {"RSN_ERR_BUSY", OfBusy},
    {"RSN_ERR_FORKED", OfForked},
    {"RSN_ERR_CONTEXT", OfContext},
    {"RSN_ERR_CANCELLED", OfCancelled},
    {"RSN_ERR_INTERNAL", nullptr},
    {"RSN_ERR_NONFINITE", OfNonFinite},
};

TEST(StatusPage, HasEveryStatusOfTheHeaderAndNoOther) {
  const std::map<std::string, Section> page = ReadPage();
  const std::string header = ReadAll("include/raison/raison.h");
  static const std::regex status("\n  (RSN_ERR_\\w+) = (-\\d+)");
  std::set<std::string> known;
  for (std::sregex_iterator i(header.begin(), header.end(), status), end; i != end; ++i) {
    const std::string name = (*i)[1];
    known.insert(name);
    ASSERT_TRUE(page.count(name)) << name << " has no section";
    const Section& section = page.at(name);
    EXPECT_EQ(section.number, std::stoi((*i)[2])) << name;
    EXPECT_EQ(rsn_status_name(section.number), name);
    EXPECT_TRUE(section.cause && section.remedy && !section.message.empty()) << name;
  }
  EXPECT_GE(known.size(), 18u);
  for (const auto& entry : page) EXPECT_TRUE(known.count(entry.first)) << entry.first;
  for (const Case& c : kCases) known.erase(c.name);
  EXPECT_TRUE(known.empty()) << *known.begin() << " is not in this test's list";
}

TEST(StatusPage, TheSampleMessagesAreTheLibrarysOwn) {
  const std::map<std::string, Section> page = ReadPage();
  for (const Case& c : kCases) {
    if (c.produce == nullptr) continue;
#ifdef RAISON_SANITIZED
    // A sanitizer's own memory is not to be limited.
    if (c.produce == OfMemory) continue;
#endif
    const Failure failure = c.produce();
    EXPECT_STREQ(rsn_status_name(failure.status), c.name) << failure.sentence;
    ASSERT_TRUE(page.count(c.name)) << c.name;
    EXPECT_EQ(page.at(c.name).message, AsOnThePage(failure.sentence)) << c.name;
  }
}

}  // namespace
}  // namespace raison::test
