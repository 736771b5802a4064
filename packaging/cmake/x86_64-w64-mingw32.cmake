# Cross build for 64-bit Windows with Debian's mingw-w64 and the sysroot that packaging/setup.sh
# --with-windows makes (PCRE2, nlohmann-json, a rustc that can make Windows code). Programs run under
# Wine. gcc's own run-time libraries are linked in, so that what is built needs only Windows' own.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)

set(raison_sysroot "$ENV{HOME}/.cache/raison/sysroot-windows")
if(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(raison_sysroot "$ENV{XDG_CACHE_HOME}/raison/sysroot-windows")
endif()
set(CMAKE_FIND_ROOT_PATH ${raison_sysroot} /usr/x86_64-w64-mingw32)
# Never headers or libraries of the building machine; programs always.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# gcc does not align the stack to more than 16 bytes on Windows, but spills AVX registers there with
# instructions that demand it (gcc bug 54412): the assembler writes the unaligned ones instead, which
# are as fast on aligned addresses.
foreach(language C CXX)
  set(CMAKE_${language}_FLAGS_INIT "-Wa,-muse-unaligned-vector-move")
endforeach()
# Windows 10.
foreach(language C CXX)
  string(APPEND CMAKE_${language}_FLAGS_INIT " -D_WIN32_WINNT=0x0A00")
endforeach()
foreach(kind EXE SHARED MODULE)
  set(CMAKE_${kind}_LINKER_FLAGS_INIT "-static")
endforeach()

set(CMAKE_CROSSCOMPILING_EMULATOR ${CMAKE_CURRENT_LIST_DIR}/../wine.sh)
# For the Rust pieces: cargo is the machine's, the compiler and its standard library the sysroot's.
set(RAISON_RUST_TARGET x86_64-win7-windows-gnu)
set(RAISON_RUSTC ${raison_sysroot}/rustc)
