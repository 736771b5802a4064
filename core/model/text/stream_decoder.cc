#include "core/model/text/stream_decoder.h"

#include "core/model/text/utf8.h"

namespace raison {

std::string StreamDecoder::Feed(std::string_view bytes) {
  held_.append(bytes);
  // Find where an incomplete code point begins, if the bytes end in one.
  size_t hold = 0;
  for (size_t back = 1; back <= 3 && back <= held_.size(); ++back) {
    const uint8_t byte = static_cast<uint8_t>(held_[held_.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    if (ReadUtf8(std::string_view(held_).substr(held_.size() - back)).kind ==
        Utf8Front::kIncomplete) {
      hold = back;
    }
    break;
  }
  std::string text = ToValidUtf8(std::string_view(held_).substr(0, held_.size() - hold));
  held_.erase(0, held_.size() - hold);
  return text;
}

std::string StreamDecoder::Flush() {
  std::string text = ToValidUtf8(held_);
  held_.clear();
  return text;
}

}  // namespace raison
