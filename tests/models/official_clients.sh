#!/usr/bin/env bash
# Runs a test with the providers' official Python clients on its path, in a folder outside the tree.
#
#   official_clients.sh FOLDER TEST [ARGUMENT...]
#
# Ends with 77 and says what is missing where the clients cannot be had.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder=$1
shift

skip() { printf 'skipped: %s\n' "$*" >&2; exit 77; }

mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
if ! cmp -s "$here/requirements.txt" "$folder/installed"; then
  /usr/bin/python3 -m pip --version >/dev/null 2>&1 || skip "pip is not installed; the official clients come through it"
  rm -rf "$folder/packages"
  /usr/bin/python3 -m pip install --quiet --root-user-action=ignore --disable-pip-version-check --target "$folder/packages" \
    --requirement "$here/requirements.txt" >"$folder/install" 2>&1 ||
    skip "the packages of tests/models/requirements.txt cannot be had: $(tail -n 1 "$folder/install")"
  cp "$here/requirements.txt" "$folder/installed"
fi
exec 9>&-
# The clients read keys, addresses and headers from the environment and from files at home; nothing of a person's may reach a test.
exec env -i PATH="$PATH" HOME="$folder" LANG=C.UTF-8 PYTHONPATH="$folder/packages" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$@"
