// Paths are UTF-8 in this program, on every system; std::filesystem would read char as the system's
// own encoding, which on Windows is another one.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace raison::cli {

inline std::filesystem::path ToPath(std::string_view utf8) {
  return std::filesystem::path(std::u8string(utf8.begin(), utf8.end()));
}

inline std::string ToText(const std::filesystem::path& path) {
  const std::u8string utf8 = path.u8string();
  return std::string(utf8.begin(), utf8.end());
}

}  // namespace raison::cli
