#!/usr/bin/env bash
# Runs a Windows program on Linux: packaging/wine.sh PROGRAM.exe ARGUMENTS...
# Debian's 64-bit Wine in a home of its own (WINEPREFIX), which it makes the first time; it says nothing
# of itself, and offers no installation of what programs without windows do not need.
set -euo pipefail
export WINEPREFIX=${WINEPREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/raison/wine}
export WINEDEBUG=${WINEDEBUG:--all} WINEDLLOVERRIDES=${WINEDLLOVERRIDES:-mscoree,mshtml=}
export LC_ALL=C.UTF-8  # how file names and arguments are read
mkdir -p "$WINEPREFIX"
exec /usr/lib/wine/wine64 "$@"
