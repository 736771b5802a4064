#include "samples/cli/program.h"

#include <windows.h>
// After it.
#include <shellapi.h>

#include "core/base/os/files.h"
#include "core/base/os/windows/text.h"
#include "raison/raison.h"
#include "samples/cli/commands.h"

namespace raison::cli {

// argv is in the code page of the system, which has not all of Unicode.
Words CommandLine(int, char**) {
  Words words;
  int count = 0;
  wchar_t** const wide = CommandLineToArgvW(GetCommandLineW(), &count);
  for (int i = 1; i < count; ++i) words.push_back(Utf8(wide[i]));
  LocalFree(wide);
  return words;
}

std::string FolderOfLibrary() {
  HMODULE module = nullptr;
  wchar_t path[32768];  // the longest that there is
  if (GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                             GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                         reinterpret_cast<const wchar_t*>(&rsn_version_number), &module) == 0) {
    return "";
  }
  const DWORD size = GetModuleFileNameW(module, path, sizeof path / sizeof path[0]);
  return size == 0 ? "" : FolderOf(Utf8({path, size}));
}

}  // namespace raison::cli
