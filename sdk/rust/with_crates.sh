#!/usr/bin/env bash
# with_crates.sh COMMAND…: runs it where cargo is 1.63 or later and has the crates of Cargo.lock, or reaches their
# registry; otherwise says what is missing and exits 77, which skips a test.
set -euo pipefail

skip() { printf '%s\n' "$*"; exit 77; }

command -v cargo >/dev/null || skip "cargo is not installed (Debian: apt install cargo)"
version="$(rustc --version 2>/dev/null | cut -d ' ' -f 2)"
[ -n "$version" ] || skip "rustc is not installed (Debian: apt install rustc)"
[ "$(printf '%s\n' 1.63.0 "${version%%-*}" | sort -V | head -n 1)" = 1.63.0 ] || skip "rustc is $version; the crate needs 1.63 or later"
lock="$(dirname "${BASH_SOURCE[0]}")/Cargo.toml"
cargo fetch --quiet --locked --offline --manifest-path "$lock" 2>/dev/null ||
  timeout 60 cargo fetch --quiet --locked --manifest-path "$lock" 2>/dev/null ||
  skip "cargo has not the crates of sdk/rust/Cargo.lock and reaches no registry"
exec "$@"
