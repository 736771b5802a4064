#include "core/base/os/windows/text.h"

#include <windows.h>

namespace raison {

std::wstring Wide(std::string_view text) {
  const int from = static_cast<int>(text.size());
  const int size = MultiByteToWideChar(CP_UTF8, 0, text.data(), from, nullptr, 0);
  std::wstring wide(static_cast<size_t>(size), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, text.data(), from, wide.data(), size);
  return wide;
}

std::string Utf8(std::wstring_view text) {
  const int from = static_cast<int>(text.size());
  const int size = WideCharToMultiByte(CP_UTF8, 0, text.data(), from, nullptr, 0, nullptr, nullptr);
  std::string utf8(static_cast<size_t>(size), '\0');
  WideCharToMultiByte(CP_UTF8, 0, text.data(), from, utf8.data(), size, nullptr, nullptr);
  return utf8;
}

std::string SystemError(unsigned long code) {
  wchar_t text[512];
  DWORD size = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr,
                              code, 0, text, sizeof text / sizeof text[0], nullptr);
  while (size > 0 && (text[size - 1] == L'\n' || text[size - 1] == L'\r')) --size;
  return size == 0 ? "error " + std::to_string(code) : Utf8({text, size});
}

}  // namespace raison
