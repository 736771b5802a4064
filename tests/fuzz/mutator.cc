#include "tests/fuzz/mutator.h"

#include <algorithm>
#include <cctype>
#include <cstring>

namespace raison::testing {

uint64_t Mutator::Next() {  // splitmix64
  uint64_t z = state_ += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

uint64_t Mutator::Number(uint64_t old, size_t file_size) {
  switch (Below(9)) {
    case 6: return old + Below(5) - 2;
    case 7: return old * 2;
    case 8: return old / 2;
    case 0: return Below(16);
    case 1: return (uint64_t{1} << Below(64)) + Below(3) - 1;
    case 2: return file_size + Below(65) - 32;
    case 3: return ~uint64_t{0} - Below(64);
    case 4: return (uint64_t{1} << 63) / (1 + Below(64)) + Below(3) - 1;
    default: return Next() >> Below(64);
  }
}

void Mutator::BinaryStep(std::string& file, size_t limit, const Fields& fields) {
  limit = std::min(limit, file.size());
  if (limit == 0) return;
  const size_t at = Below(limit);
  const auto overwrite = [&](size_t where, size_t bytes) {
    if (where + bytes > file.size()) return;
    uint64_t number = 0;
    std::memcpy(&number, file.data() + where, bytes);
    number = Number(number, file.size());
    std::memcpy(file.data() + where, &number, bytes);
  };
  const size_t what = Below(100);
  if (what < 45 && !fields.values.empty()) {
    return overwrite(fields.values[Below(fields.values.size())], Chance(80) ? 4 : 8);
  }
  if (what < 70 && !fields.contents.empty()) {
    const Fields::Run& run = fields.contents[Below(fields.contents.size())];
    const size_t where = run.at + Below(run.size);
    if (where < file.size()) file[where] = static_cast<char>(Chance(50) ? Next() : Below(128));
    return;
  }
  if (what < 80 && !fields.structure.empty()) {
    return overwrite(fields.structure[Below(fields.structure.size())], Chance(50) ? 4 : 8);
  }
  switch (Below(8)) {
    case 0: file[at] = static_cast<char>(file[at] ^ 1 << Below(8)); return;
    case 1: file[at] = static_cast<char>(Next()); return;
    case 2: return overwrite(at, size_t{1} << Below(4));
    case 3: file.resize(Chance(70) ? at : Below(file.size() + 1)); return;
    case 4: file.erase(at, 1 + Below(16)); return;
    case 5: file.insert(at, std::string(1 + Below(16), static_cast<char>(Next()))); return;
    case 6: {  // a run copied to another place
      const std::string run = file.substr(Below(limit), 1 + Below(64));
      file.replace(at, run.size(), run);
      return;
    }
    default: file[at] = static_cast<char>(file[at] + (Chance(50) ? 1 : -1)); return;
  }
}

std::string Mutator::Binary(std::string file, size_t limit, const Fields& fields) {
  for (size_t steps = Chance(60) ? 1 : 1 + Below(3); steps > 0; --steps) BinaryStep(file, limit, fields);
  return file;
}

void Mutator::TextStep(std::string& file) {
  if (file.empty()) return;
  static constexpr const char* kValues[] = {
      "0", "-1", "1", "2", "1e3", "0.5", "-0.0", "1e999", "4294967296", "18446744073709551616",
      "9223372036854775807", "2147483647", "null", "true", "false", "\"\"", "\"x\"", "[]", "{}",
      "[[[[]]]]", "{\"a\": {\"a\": []}}", "\"\\ud800\"", "[0, 1]", "\"\\u0000\""};
  const char* value = kValues[Below(std::size(kValues))];
  const size_t at = Below(file.size());
  const auto line = [&](size_t from) {
    const size_t begin = file.rfind('\n', from) + 1;  // npos + 1 is 0
    const size_t end = file.find('\n', from);
    return std::pair(std::min(begin, file.size()), end == file.npos ? file.size() : end + 1);
  };
  switch (Below(14)) {
    case 0:
    case 1:
    case 2:
    case 8:
    case 9: {  // the next number or literal becomes another value
      size_t from = at;
      while (from < file.size() && !std::isdigit(static_cast<unsigned char>(file[from]))) ++from;
      size_t to = from;
      while (to < file.size() && std::strchr("0123456789.e+-", file[to]) != nullptr) ++to;
      file.replace(from, to - from, value);
      return;
    }
    case 3:
    case 10:
    case 11: {  // what follows the next colon, up to the end of its line
      const size_t colon = file.find(": ", at);
      if (colon == file.npos) return;
      const size_t end = std::min(file.find('\n', colon), file.size());
      const bool comma = end > colon && file[end - 1] == ',';
      file.replace(colon + 2, end - colon - 2, std::string(value) + (comma ? "," : ""));
      return;
    }
    case 4: {
      const auto [begin, end] = line(at);
      file.erase(begin, std::max(end, begin) - begin);
      return;
    }
    case 5: {
      const auto [begin, end] = line(at);
      file.insert(begin, file.substr(begin, std::max(end, begin) - begin));
      return;
    }
    case 6: {  // two lines change places
      const auto [a, a_end] = line(at);
      const auto [b, b_end] = line(Below(file.size()));
      if (a_end > b || a >= a_end || b >= b_end) return;
      const std::string first = file.substr(a, a_end - a), second = file.substr(b, b_end - b);
      file.replace(b, second.size(), first);
      file.replace(a, first.size(), second);
      return;
    }
    case 7: file.resize(at); return;
    default: BinaryStep(file, file.size(), {}); return;
  }
}

std::string Mutator::Text(std::string file) {
  for (size_t steps = Chance(60) ? 1 : 1 + Below(3); steps > 0; --steps) TextStep(file);
  return file;
}

}  // namespace raison::testing
