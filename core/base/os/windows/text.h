// Windows' own text: UTF-16 for its functions, UTF-8 for everybody else.
#pragma once

#include <string>
#include <string_view>

namespace raison {

// Bytes that are no UTF-8 become U+FFFD.
std::wstring Wide(std::string_view text);
std::string Utf8(std::wstring_view text);
// What the system says of an error of GetLastError, without its line end.
std::string SystemError(unsigned long code);

}  // namespace raison
