#include "capi/text.h"

#include "core/model/text/utf8.h"

namespace raison::capi {

rsn_status ReadOptionalText(const char* name, const char* text, size_t size,
                            std::string_view* out) {
  if (text == nullptr) {
    if (size != 0 && size != RSN_NUL) {
      return FailWith(RSN_ERR_ARGUMENT, name, ": NULL with a length of ", size);
    }
    *out = std::string_view();
    return RSN_OK;
  }
  if (size == RSN_NUL) {
    size = std::strlen(text);
  } else if (size > PTRDIFF_MAX) {
    return FailWith(RSN_ERR_ARGUMENT, name, ": a length of ", size, " bytes");
  }
  *out = std::string_view(text, size);
  return RSN_OK;
}

rsn_status ReadText(const char* name, const char* text, size_t size, std::string_view* out) {
  if (text == nullptr) return FailWith(RSN_ERR_ARGUMENT, name, ": NULL");
  return ReadOptionalText(name, text, size, out);
}

rsn_status CheckUtf8(const char* name, std::string_view text) {
  const size_t valid = ValidUtf8Prefix(text);
  if (valid == text.size()) return RSN_OK;
  return FailWith(RSN_ERR_TEXT, name, ": byte ", valid, " is not UTF-8");
}

}  // namespace raison::capi
