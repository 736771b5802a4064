#!/usr/bin/env bash
# A DLL as it is published: tests/packaging/dll_test.sh FILE.dll PATTERN [OTHER.dll...]
# exports what matches PATTERN (an extended regular expression for whole names) and nothing else, needs
# only Windows' own libraries and the OTHER ones, and none of them opens connections.
set -euo pipefail
dll=$1 pattern=$2
shift 2
fail() { printf 'dll_test: %s: %s\n' "$dll" "$*" >&2; exit 1; }

table=$(x86_64-w64-mingw32-objdump -p "$dll")
names=$(awk '/^\[Ordinal\/Name Pointer\] Table/ { on = 1; next } on && NF == 0 { on = 0 } on { print $NF }' <<<"$table")
[[ -n $names ]] || fail "exports nothing"
odd=$(grep -vxE "$pattern" <<<"$names" || true)
[[ -z $odd ]] || fail "exports $odd"

# Part of every Windows 10; ws2_32, where connections are made, is not among them.
own='KERNEL32|ADVAPI32|dbghelp|msvcrt|ntdll|USERENV|SHELL32'
odd=$(sed -n 's/^\s*DLL Name: //p' <<<"$table" | grep -vixE "($own)\.dll" || true)
for other in "$@"; do odd=$(grep -vixF "$other" <<<"$odd" || true); done
[[ -z $odd ]] || fail "needs $odd"
