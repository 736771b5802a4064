#include "core/model/text/normalize.h"

#ifdef RAISON_JINJA
#include "core/model/text/jinja/raison_jinja.h"
#endif

namespace raison {

std::string_view NormalizeNfc(std::string_view text, std::string* buffer) {
#ifdef RAISON_JINJA
  // Every code point below U+0300, whose first byte is below 0xCC, is in normal form C and stays so.
  bool low = true;
  for (const char c : text) low &= static_cast<uint8_t>(c) < 0xCC;
  if (low) return text;
  raison_jinja_text out = {};
  const int32_t rc = raison_jinja_nfc(text.data(), text.size(), &out);
  if (rc == 0) buffer->assign(out.data, out.size);
  raison_jinja_text_free(&out);
  return rc == 0 ? std::string_view(*buffer) : text;
#else
  (void)buffer;
  return text;
#endif
}

}  // namespace raison
