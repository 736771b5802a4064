#!/usr/bin/env bash
# Every package that a machine can make, made and installed where a user would put it: a path with spaces
# and é, read-only, another user, no environment variable (clean_place.sh). In each the stream sample must
# say what it says in the build tree.
#
#   tests/packaging/packages.sh BUILD PYTHON     BUILD: a finished build folder with prefix /usr and
#                                                target raison_natives; PYTHON: of the tests' environment
#
# Prints one line for each thing that holds, "ok ...", or "skip ..." with the reason; ends at the first
# that does not hold. C# and Java packages are tested by their own stages.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/packaging
build=$(cd "$1" && pwd)
python=$2
work=$root/build/packages
dist=$work/dist
places=()
# shellcheck disable=SC2154
trap 'for place in "${places[@]}"; do rm -rf "${place%/*/*}"; done' EXIT

ok() { echo "ok $*"; }
fail() { echo "FAIL: $*" >&2; exit 1; }
new_place() {  # new_place NAME: sets $place
  place=$("$here/clean_place.sh" --make "$1")
  places+=("$place")
}
clean() { "$here/clean_place.sh" "$place" "$@"; }
expected=$("$build/samples/stream_c")
same() {  # same WHAT COMMAND...: run in the clean place, it prints what the sample prints in the build tree
  local got
  got=$(clean "${@:2}") || fail "$1: the stream sample fails"
  [[ $got == "$expected" ]] || fail "$1: the stream sample says something else: $got"
  ok "$1: the stream sample, clean"
}

rm -rf "$dist"
mkdir -p "$dist"
has_vulkan=0; [[ ! -f $build/natives/libraison-vulkan.so ]] || has_vulkan=1

# ---- wheel
wheel() {  # wheel SOURCE OPTION...: into $dist; no network, no isolated environment
  SKBUILD_BUILD_DIR=$work/wheel-$(basename "$1") CMAKE_GENERATOR=Ninja CC=cc CXX=c++ \
    "$python" -m pip wheel --disable-pip-version-check --no-build-isolation --no-deps -q -w "$dist" \
    "${@:2}" "$1"
}
prebuilt=--config-settings=cmake.define.RAISON_PREBUILT=$build/natives
wheel "$root" "$prebuilt"
package=$(echo "$dist"/raison-*.whl)
"$python" - "$package" $has_vulkan <<'PY'
import json, sys, zipfile
names = zipfile.ZipFile(sys.argv[1]).namelist()
read = lambda end: zipfile.ZipFile(sys.argv[1]).read([n for n in names if n.endswith(end)][0]).decode()
wanted = ["raison/libraison.so.0", "raison/petit.gguf", "raison/py.typed", "raison/_raison.pyi"]
wanted += ["raison/libraison-vulkan.so"] * int(sys.argv[2])
assert not set(wanted) - set(names), set(wanted) - set(names)
libraries = sorted(n for n in names if ".so" in n and "_raison." not in n)
assert libraries == sorted(n for n in wanted if ".so" in n), libraries  # nothing twice
assert "License-Expression: Apache-2.0" in read("/METADATA")
assert "Abseil" in read("/licenses/THIRD-PARTY-NOTICES") and "Apache License" in read("/licenses/LICENSE")
version = [l for l in read("/METADATA").splitlines() if l.startswith("Version: ")][0][9:]
assert json.loads(read("/sboms/raison.spdx.json"))["name"] == "raison-" + version
PY
ok "wheel: what must be in it is in it, once: $(basename "$package")"
shown=$("$python" -m auditwheel show "$package" 2>/dev/null | tr '\n' ' ')
tag=$(grep -oE 'manylinux_2_[0-9]+_[a-z0-9_]+' <<<"$shown" | head -n 1 || true)
[[ $tag =~ ^manylinux_2_([0-9]+)_ ]] && ((BASH_REMATCH[1] <= 34)) || fail "auditwheel: $shown"
ok "wheel: auditwheel says $tag"

new_place wheel
/usr/bin/python3 -m venv --without-pip "$place/venv"
into_venv() { "$python" -m pip --python "$place/venv/bin/python" install --disable-pip-version-check -q --no-deps "$@"; }
into_venv "$package"
cp "$root/samples/stream/stream.py" "$place"
site=$(echo "$place"/venv/lib/python3*/site-packages)
python3 "$here/symbols_test.py" "$site"/raison/*.so*
ok "wheel: no symbol newer than RHEL 9 has"
same wheel "$place/venv/bin/python" -B "$place/stream.py"
drivers='import raison; print(*sorted({d.name.split(":")[0] for d in raison.devices()}))'
seen=$(clean "$place/venv/bin/python" -Bc "$drivers")
((!has_vulkan)) || [[ " $seen " == *" vulkan "* ]] || fail "the wheel's Vulkan plug-in is not seen: $seen"

# ---- raison-cuda, found by its name
if [[ -f $build/lib/libraison-cuda.so ]]; then
  wheel "$root/packaging/python-cuda" \
    "--config-settings=cmake.define.RAISON_CUDA_LIBRARY=$build/lib/libraison-cuda.so"
  [[ " $seen " != *" cuda "* ]] || fail "cuda is there without raison-cuda: $seen"
  into_venv "$dist"/raison_cuda-*.whl
  python3 "$here/symbols_test.py" "$site/raison_cuda/libraison-cuda.so"
  seen=$(clean "$place/venv/bin/python" -Bc "$drivers")
  [[ " $seen " == *" cuda "* ]] || fail "raison-cuda is not found: $seen"
  # A plug-in that the environment names goes before the package's.
  "$here/clean_place.sh" "$place" env RAISON_BACKEND_PATH=/nowhere/libraison-cuda.so \
    "$place/venv/bin/python" -Bc 'import raison._model as m; assert m._plugins() == ""'
  ok "raison-cuda: found by the wheel beside it"
else
  echo "skip the package raison-cuda: this build has no libraison-cuda.so"
fi

# ---- sdist: another wheel from it, and a plan of the whole build that lacks no file
(cd "$root" && "$python" -c "import scikit_build_core.build as b; b.build_sdist('$dist')" >/dev/null)
rm -rf "$work/sdist"
mkdir -p "$work/sdist" "$work/dist-sdist"
tar -xzf "$dist"/raison-*.tar.gz -C "$work/sdist" --strip-components=1
dist=$work/dist-sdist wheel "$work/sdist" "$prebuilt"
cmake -S "$work/sdist" -B "$work/sdist-plan" -G Ninja -DRAISON_PYTHON=ON -DRAISON_TESTS=OFF -DRAISON_TOOLS=OFF \
  -DRAISON_CUDA=OFF -DPython_EXECUTABLE="$("$python" -c 'import sys; print(sys.executable)')" \
  -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" >"$work/plan.log" 2>&1 || fail "sdist: $(tail -n 20 "$work/plan.log")"
ninja -C "$work/sdist-plan" -n _raison raison_natives >"$work/plan.log" || fail "sdist: $(tail -n 5 "$work/plan.log")"
ok "sdist: a wheel from it, and no file of the whole build is missing"

# ---- programs of others against an installed tree, in C and C++, by pkg-config and by find_package
consumers() {  # consumers WHAT PREFIX
  local pc rpath
  pc=$(dirname "$(find "$2" -name raison.pc)")
  rpath=-Wl,-rpath,${pc%/pkgconfig}
  export PKG_CONFIG_PATH=$pc
  # pkg-config quotes the spaces of the path for a shell.
  eval "gcc -std=c99 '$root/samples/stream/stream.c' -o '$place/stream_c' $(pkg-config --cflags --libs raison) '$rpath'"
  eval "g++ -std=c++17 '$root/samples/stream/stream.cc' -o '$place/stream_cpp' $(pkg-config --cflags --libs raison) '$rpath'"
  same "$1, C by pkg-config" "$place/stream_c"
  same "$1, C++ by pkg-config" "$place/stream_cpp"
  cmake -S "$root/packaging/consumer" -B "$place/build" -G Ninja -DCMAKE_PREFIX_PATH="$2" >/dev/null
  ninja -C "$place/build" >/dev/null
  clean "$place/build/consumer"
  clean "$place/build/consumer_cpp"
  ok "$1: consumers in C and C++ by find_package"
  clean "$2/bin/raison" run "What is 12 * 13?" </dev/null >/dev/null || fail "$1: the command does not run"
  python3 "$here/symbols_test.py" "${pc%/pkgconfig}"/libraison*.so
}

new_place prefix
cmake --install "$build" --prefix "$place/prefix" --strip >/dev/null
consumers "install tree" "$place/prefix"

# ---- Debian packages
if command -v dpkg-deb >/dev/null; then
  (cd "$build" && rm -rf _CPack_Packages ./*.deb && cpack -G DEB >"$work/cpack.log" 2>&1) ||
    fail "cpack: $(tail -n 20 "$work/cpack.log")"
  mv "$build"/*.deb "$dist/"
  rm -rf "$build/_CPack_Packages"
  new_place deb
  for package in "$dist"/*.deb; do dpkg-deb -x "$package" "$place"; done
  for name in libraison0 libraison-dev raison; do
    package=$(echo "$dist/$name"_*.deb)
    [[ -s $place/usr/share/doc/$name/copyright && -s $place/usr/share/doc/$name/changelog.gz ]] ||
      fail "$package: no copyright or changelog"
    dpkg-deb -f "$package" Depends | grep -E 'libc6|libraison0 \(= ' >/dev/null || fail "$package: no Depends"
  done
  consumers "Debian packages" "$place/usr"
  if command -v lintian >/dev/null; then
    # The address is the publisher's (RAISON_PACKAGER); plug-ins lie where the library looks for them.
    tags=bogus-mail-host,bogus-mail-host-in-debian-changelog,no-manual-page
    tags+=,sharedobject-in-library-directory-missing-soname,shared-library-lacks-version
    tags+=,package-name-doesnt-match-sonames,maintscript-calls-ldconfig
    lintian --allow-root --fail-on error,warning --suppress-tags $tags "$dist"/*.deb || fail "lintian"
    ok "Debian packages: nothing that lintian warns of"
  else
    echo "skip lintian over the Debian packages: it is not on this machine"
  fi
else
  echo "skip Debian packages: no dpkg-deb on this machine"
fi

"$python" -m spdx_tools.spdx.clitools.pyspdxtools -i "$root/packaging/raison.spdx.json"
ok "bill of materials: valid SPDX"
