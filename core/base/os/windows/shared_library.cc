#include "core/base/os/shared_library.h"

#include <windows.h>

#include "core/base/os/windows/text.h"

namespace raison {

absl::StatusOr<SharedLibrary> SharedLibrary::Open(const std::string& path) {
  std::wstring wide = Wide(path);
  for (wchar_t& c : wide) c = c == L'/' ? L'\\' : c;  // the search below knows only these
  const bool absolute = wide.size() > 2 && (wide[1] == L':' || wide.compare(0, 2, L"\\\\") == 0);
  // A plug-in's own needs lie beside it or in the system; never in the working folder.
  HMODULE handle = LoadLibraryExW(
      wide.c_str(), nullptr,
      absolute ? LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS : 0);
  if (handle == nullptr) {
    return absl::UnavailableError(
        absl::StrCat(path, ": does not load: ", SystemError(GetLastError())));
  }
  return SharedLibrary(handle);
}

void* SharedLibrary::Find(const char* symbol) const {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(handle_), symbol));
}

}  // namespace raison
