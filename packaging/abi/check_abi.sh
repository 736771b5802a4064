#!/usr/bin/env bash
# Compares a built libraison.so with the committed baseline, packaging/abi/libraison.abi.
#
#   packaging/abi/check_abi.sh LIBRARY            fails on any change but harmless growth
#   packaging/abi/check_abi.sh --write LIBRARY    makes the baseline anew: in release commits only
#   packaging/abi/check_abi.sh --against FILE LIBRARY    compares with another baseline
#   packaging/abi/check_abi.sh --headers DIR LIBRARY     the library's raison.h is in DIR
#
# abidiff must exit 0, not merely without its "incompatible" bit: a field put into the middle of a
# struct is reported with the same code as a harmless addition. And it sees types only through
# debug information: without it the same mistake is not reported at all, so that fails here first.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
baseline=$here/libraison.abi
include=$here/../../include/raison

write=0
while [[ ${1:-} == --* ]]; do
  case "$1" in
    --write) write=1; shift ;;
    --against) baseline=$2; shift 2 ;;
    --headers) include=$2; shift 2 ;;
    *) break ;;
  esac
done
[[ $# == 1 && -f $1 ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
library=$1

readelf -SW "$library" | grep ' \.debug_info ' >/dev/null || {
  echo "check_abi: $library has no .debug_info: build it with -g" >&2
  exit 1
}
# -g1 makes a .debug_info without types.
dump=$(mktemp)
trap 'rm -f "$dump"' EXIT
abidw --exported-interfaces-only --headers-dir "$include" --no-corpus-path --no-comp-dir-path --no-show-locs \
  --drop-private-types --out-file "$dump" "$library"
grep -q "name='rsn_event'" "$dump" || {
  echo "check_abi: the debug information of $library does not describe rsn_event: build with -g" >&2
  exit 1
}

if ((write)); then
  cp "$dump" "$baseline"
  echo "wrote $baseline"
  exit 0
fi
abidiff --no-added-syms --suppressions "$here/raison.abignore" "$baseline" "$dump"
