// What the header declares is what the library exports, each with its line of documentation.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace {

std::string Header() {
  std::ifstream file(RAISON_SOURCE_DIR "/include/raison/raison.h");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::set<std::string> DeclaredFunctions(const std::string& header) {
  std::set<std::string> names;
  const std::regex declaration(R"(RSN_API [^;(]*?(rsn_\w+)\()");
  for (auto it = std::sregex_iterator(header.begin(), header.end(), declaration);
       it != std::sregex_iterator(); ++it) {
    names.insert((*it)[1]);
  }
  return names;
}

TEST(Symbols, EveryDeclaredFunctionIsExported) {
  void* library = dlopen(RAISON_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  const std::set<std::string> names = DeclaredFunctions(Header());
  EXPECT_GT(names.size(), 50u);
  for (const std::string& name : names) {
    EXPECT_NE(dlsym(library, name.c_str()), nullptr) << name << " is declared but not exported";
  }
  EXPECT_EQ(dlsym(library, "_ZN6raison5Model4LoadEv"), nullptr);
  dlclose(library);
}

TEST(Symbols, EveryExportedFunctionIsDeclared) {
  const std::set<std::string> names = DeclaredFunctions(Header());
  FILE* pipe = popen("nm -D --defined-only " RAISON_LIBRARY " | awk '{print $3}'", "r");
  ASSERT_NE(pipe, nullptr);
  char line[256];
  int exported = 0;
  while (fgets(line, sizeof line, pipe) != nullptr) {
    std::string name(line);
    name.erase(name.find_last_not_of("\n") + 1);
    name.erase(std::min(name.find('@'), name.size()));
    if (name.empty() || name == "RSN_0") continue;
    ++exported;
    EXPECT_EQ(names.count(name), 1u) << name << " is exported but not declared";
  }
  pclose(pipe);
  EXPECT_EQ(static_cast<size_t>(exported), names.size());
}

TEST(Symbols, EveryFunctionSaysSinceWhen) {
  const std::string header = Header();
  for (const std::string& name : DeclaredFunctions(header)) {
    const size_t at = header.find(name + "(", header.find("RSN_API rsn_"));
    size_t declaration = std::string::npos;
    for (size_t p = header.find("RSN_API"); p != std::string::npos; p = header.find("RSN_API", p + 1)) {
      const size_t open = header.find('(', p);
      if (header.compare(open - name.size(), name.size(), name) == 0 &&
          header[open - name.size() - 1] != '_') {
        declaration = p;
      }
    }
    ASSERT_NE(declaration, std::string::npos) << name << at;
    const size_t end = header.rfind("*/", declaration);
    const size_t begin = header.rfind("/*", end);
    ASSERT_EQ(header.find_first_not_of(" \n", end + 2), declaration)
        << name << " has no comment of its own";
    EXPECT_NE(header.substr(begin, end - begin).find("Since: "), std::string::npos) << name;
  }
}

}  // namespace
