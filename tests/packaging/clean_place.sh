#!/usr/bin/env bash
# Runs a command as somebody who only installed a package would: no environment variable, another user
# (nobody), the package's folder on a read-only file system, the root folder as the current one.
#
#   tests/packaging/clean_place.sh FOLDER COMMAND...
#   tests/packaging/clean_place.sh --make NAME     makes a folder with spaces and é in its path, names it
#
# Where the machine lets no one mount (a container without the right, no root) the folder's write
# permissions go instead; without root the user stays the same. Either is said on standard error.
set -euo pipefail

if [[ ${1:-} == --make ]]; then
  base=$(mktemp -d)/"raison é packages"
  mkdir -p "$base/$2"
  chmod 755 "${base%/*}"
  echo "$base/$2"
  exit 0
fi
folder=$1
shift

if [[ $(id -u) == 0 ]]; then
  as_nobody=(env -i setpriv --reuid=65534 --regid=65534 --clear-groups --)
  if unshare --mount true 2>/dev/null; then
    # $0 is the folder.
    exec unshare --mount bash -c '
      mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd / || exit 125
      if touch "$0/written" 2>/dev/null; then echo "clean_place: $0 can be written" >&2; exit 125; fi
      exec "$@"' "$folder" "${as_nobody[@]}" "$@"
  fi
  echo "clean_place: no mounting here; write permissions are taken away instead" >&2
else
  as_nobody=(env -i)
  echo "clean_place: not root; the same user, write permissions are taken away" >&2
fi
chmod -R a-w "$folder"
cd /
rc=0
"${as_nobody[@]}" "$@" || rc=$?
chmod -R u+w "$folder"
exit $rc
