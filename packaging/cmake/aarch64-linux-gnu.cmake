# Cross build for arm64 Linux with Debian's cross gcc and the sysroot that packaging/setup.sh --tests
# unpacks (headers and archives of PCRE2 and nlohmann-json, a rustc that can make arm64 code). The C
# library is the cross gcc's own. Tests run under qemu-aarch64.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(raison_sysroot "$ENV{HOME}/.cache/raison/sysroot-arm64")
if(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
  set(raison_sysroot "$ENV{XDG_CACHE_HOME}/raison/sysroot-arm64")
endif()
set(CMAKE_FIND_ROOT_PATH ${raison_sysroot} /usr/aarch64-linux-gnu)
# Never headers or libraries of the building machine; programs always.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
# pkg-config looks where find_library does.
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${raison_sysroot})
set(ENV{PKG_CONFIG_LIBDIR}
  ${raison_sysroot}/usr/lib/aarch64-linux-gnu/pkgconfig:${raison_sysroot}/usr/share/pkgconfig)

set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;/usr/aarch64-linux-gnu)
# For the Rust pieces: cargo is the machine's, the compiler and its standard library the sysroot's.
set(RAISON_RUST_TARGET aarch64-unknown-linux-gnu)
set(RAISON_RUSTC ${raison_sysroot}/rustc)
