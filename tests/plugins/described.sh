#!/usr/bin/env bash
# Runs described_test.py with a description that a package of npm holds, in a folder outside the tree.
#
#   described.sh BUILD PLUGIN PACKAGE@VERSION FILE [PREFIX]
#
# Ends with 77 and says what is missing where the package cannot be had.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
build=$1 plugin=$2 package=$3 file=$4
shift 4

skip() { printf 'skipped: %s\n' "$*" >&2; exit 77; }

folder="$build/descriptions/${package//\//-}"
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
if ! [ -f "$folder/package/$file" ]; then
  command -v npm >/dev/null || skip "npm is not installed; the description of $plugin is in its package $package"
  (cd "$folder" && npm pack --silent "$package" >packed 2>log) || skip "the package $package cannot be had: $(tail -n 1 "$folder/log")"
  tar -xzf "$folder/$(tail -n 1 "$folder/packed")" -C "$folder" "package/$file" || skip "the package $package has no $file"
  rm -f "$folder/$(tail -n 1 "$folder/packed")"
fi
exec 9>&-
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "$here/described_test.py" "$build" "$plugin" "$folder/package/$file" "$@"
