// What a shared library exports and needs, as binutils tell it.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <set>
#include <string>

namespace raison {

// The lines of a shell command's output.
inline std::multiset<std::string> Lines(const std::string& command) {
  std::multiset<std::string> lines;
  FILE* const pipe = popen(command.c_str(), "r");
  char line[512];
  while (pipe != nullptr && std::fgets(line, sizeof line, pipe) != nullptr) {
    lines.insert(std::string(line, std::strcspn(line, "\n")));
  }
  if (pipe != nullptr) pclose(pipe);
  return lines;
}

// A plug-in shows its two names and nothing else.
inline void ExpectTwoNames(const std::string& plugin) {
  const auto shown = Lines("nm -D --defined-only " + plugin + " | awk '{ print $3 }'");
  EXPECT_EQ(shown, (std::multiset<std::string>{"rsn_backend_open", "rsn_backend_version"}));
}

}  // namespace raison
