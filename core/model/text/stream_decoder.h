// Turns a stream of tokens into text of whole code points: what may still become one is held back
// (three bytes at most), what cannot is U+FFFD. Owns no tokens; one per channel of a session.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace raison {

class StreamDecoder {
 public:
  // The text that is complete once these bytes follow the ones before.
  std::string Feed(std::string_view bytes);
  // The end of the stream: the held bytes as U+FFFD, or "".
  std::string Flush();
  // Forgets the held bytes (a rewind).
  void Reset() { held_.clear(); }
  std::string_view held() const { return held_; }

 private:
  std::string held_;  // the beginning of a code point, 0 to 3 bytes
};

}  // namespace raison
