#!/usr/bin/env bash
# Runs the blocks of a guide that are marked ```sh run, one after the other in one shell, as they are.
#
#   run_guide.sh GUIDE BUILD_FOLDER
#
# In an empty folder, with the programs of the build on the PATH and nothing else set up. Every process that the guide
# leaves behind is ended.
set -euo pipefail

guide="$(realpath "$1")"
build="$(realpath "$2")"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
work="$(mktemp -d -t travertine-guide-XXXXXX)"

awk '/^```sh run$/ { inside = 1; print "printf \"\\n%s\\n\" \"# line " NR "\""; next }
     /^```$/ { inside = 0 }
     inside { print }' "$guide" >"$work/script.sh"
[ -s "$work/script.sh" ] || { echo "run_guide.sh: $guide has no block marked \`\`\`sh run" >&2; exit 1; }

clean_up() {
  # The guide ran as a process group of its own.
  kill -- "-$pid" 2>/dev/null || true
  # What still ends may still write: the folder goes when nobody is left.
  for _ in $(seq 1 100); do
    rm -rf "$work" 2>/dev/null && return
    sleep 0.1
  done
  echo "run_guide.sh: $work could not be removed" >&2
  exit 1
}
trap clean_up EXIT

cd "$work"
mkdir run
cd run
env -u TRAV_URL -u TRAV_TOKEN -u TRAV_TENANT TRAV_PLUGINS_ISOLATION=best-effort PATH="$build/bin:$PATH" TRV_SDK="$root" TRV_PACKAGES="$build/packages" \
  TRAV_CONFIG_DIR="$work/config" TRAV_GUIDES="$root/docs/guides" \
  setsid bash -euo pipefail "$work/script.sh" &
pid=$!
wait "$pid"
