#!/bin/sh
# Lets the programs run where this folder is now: a program names its loader by an absolute path. After the folder of a
# version was moved, or unpacked from a package elsewhere than in /opt/travertine:
#
#   sh FOLDER/share/relocate.sh
#
# All else is found relative to the programs. It may be done again.
set -eu

home="$(cd "$(dirname "$0")/.." && pwd -P)"
loader="$home/lib/@LOADER@"
room=@ROOM@

fail() {
  echo "relocate.sh: $*" >&2
  exit 1
}

[ -x "$loader" ] || fail "$loader is missing: this is not the folder of a version"
length="$(printf '%s' "$loader" | wc -c)"
[ "$length" -lt "$room" ] || fail "$loader has $length bytes; a program has room for $((room - 1)). Choose a shorter folder"

# One line for each program: its name, and where in it the loader's path is.
while read -r program offset; do
  cp -p "$home/bin/$program" "$home/bin/.$program.new"
  { printf '%s' "$loader"; head -c "$((room - length))" /dev/zero; } |
    dd of="$home/bin/.$program.new" bs=1 seek="$offset" conv=notrunc 2>/dev/null
  # A program that runs keeps its old file.
  mv "$home/bin/.$program.new" "$home/bin/$program"
done <<'PROGRAMS'
@PROGRAMS@
PROGRAMS

# Without /proc, as in the tree of an image that is made, a program does not find its libraries, though it will later.
set -- "$home/bin/travd"
[ -e /proc/self/exe ] || set -- "$loader" --library-path "$home/lib" "$@"
"$@" --version >/dev/null || fail "$home/bin/travd does not run there"
