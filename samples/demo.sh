#!/usr/bin/env bash
# One command from a fresh clone to an answer: installs what is missing, builds the raison command
# and asks the built-in model a question.
#
#   samples/demo.sh ["a question"]
#   samples/demo.sh --no-setup ["a question"]    leaves the system's packages alone
#
# Builds only what this demo needs. Stage lines go to stderr, their output to build/setup.log, so
# that stdout carries the answer and nothing else.
set -euo pipefail

# Containers and cron may start without it.
export HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"
cd "$(dirname "$0")/.."
root=$PWD
log=$root/build/setup.log
build=$root/build/demo

setup=1
case "${1:-}" in
  --no-setup) setup=0; shift ;;
  -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
  -*) echo "demo.sh: unknown option '$1' (try --help)" >&2; exit 2 ;;
esac
question=${1:-"How many r's are in strawberry?"}

mkdir -p "$build"
: >"$log"

now() { printf '%s' "${EPOCHREALTIME/./}"; }  # microseconds

# stage "1/4 name" "usual duration" command...
stage() {
  local name=$1 usual=$2 start tenths
  shift 2
  printf '%-34s %-44s' "$name" "($usual)" >&2
  start=$(now)
  printf '\n== %s\n' "$name" >>"$log"
  if ! "$@" >>"$log" 2>&1; then
    printf 'failed\n\nThe last lines of %s:\n' "$log" >&2
    tail -n 20 "$log" >&2
    exit 1
  fi
  tenths=$((($(now) - start) / 100000))
  printf '%d.%d s\n' $((tenths / 10)) $((tenths % 10)) >&2
}

packages() { ((setup)) || { echo "skipped: --no-setup"; return 0; }; packaging/setup.sh --demo; }

configure() {
  # Once configured, ninja itself runs cmake again when a build file changes.
  [[ -f $build/build.ninja ]] && { echo "configured before"; return 0; }
  # Flags and cargo's folder are those of the tests: what one has compiled the other needs not.
  cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DRAISON_TESTS=OFF \
    -DRAISON_PYTHON=OFF -DRAISON_TOOLS=ON -DRAISON_CUDA=OFF -DRAISON_VULKAN=OFF \
    -DRAISON_CARGO_FOLDER="$root/build/cargo" || { rm -f "$build/build.ninja"; return 1; }
}

# A compiler cache filled by another clone counts: paths are taken relative to the tree.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=locale
compile() { ninja -C "$build" raison_cli; }

stage "1/4 packages and sources" "usually 1-2 min the first time, then 0 s" packages
stage "2/4 configure" "usually 10 s the first time, then 0 s" configure
stage "3/4 build the raison command" "usually 4-7 min the first time, then 0 s" compile
printf '4/4 raison run "%s"\n\n' "$question" >&2
exec "$build/bin/raison" run "$question"
