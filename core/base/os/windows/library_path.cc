#include "core/base/os/library_path.h"

#include <windows.h>

#include "core/base/os/files.h"
#include "core/base/os/windows/text.h"

namespace raison {

std::string LibraryFolder() {
  HMODULE module = nullptr;
  if (GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                             GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                         reinterpret_cast<const wchar_t*>(&LibraryFolder), &module) == 0) {
    return std::string();
  }
  std::wstring path(MAX_PATH, L'\0');
  for (;;) {
    const DWORD size = GetModuleFileNameW(module, path.data(), static_cast<DWORD>(path.size()));
    if (size == 0) return std::string();
    if (size < path.size()) return FolderOf(Utf8({path.data(), size}));
    path.resize(2 * path.size());
  }
}

std::string EnvironmentVariable(const char* name) {
  const std::wstring wide = Wide(name);
  std::wstring value;
  for (DWORD size = GetEnvironmentVariableW(wide.c_str(), nullptr, 0); size > value.size();) {
    value.resize(size);
    size = GetEnvironmentVariableW(wide.c_str(), value.data(), size);
    if (size < value.size()) return Utf8({value.data(), size});
  }
  return std::string();
}

std::string CacheFolder() {
  const std::string local = EnvironmentVariable("LOCALAPPDATA");
  return local.empty() ? local : JoinPath(local, "raison");
}

}  // namespace raison
