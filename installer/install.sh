#!/bin/sh
# Installs the bundle that this file lies in, or upgrades to it:
#
#   sh install.sh [verify | preflight | install | upgrade] [options]
#   sh install.sh start | check | status | stop | rollback | uninstall
#
# Without a command: install. `sh install.sh install --help` lists the options. Before a first installation the bundle is
# verified with the programs of the host, as docs/guides/installing.md says: what a bundle brings cannot vouch for it.
# From then on the version that is installed verifies the next one.
set -eu

here="$(cd "$(dirname "$0")" && pwd)"
installed=/opt/travertine/current/bin/trav-installer

case "$(uname -s) $(uname -m)" in
  "Linux x86_64") ;;
  *) echo "install.sh: this bundle is for Linux on x86_64; this host is $(uname -s) on $(uname -m)" >&2; exit 2 ;;
esac

installer() {
  if [ -x "$installed" ]; then
    exec "$installed" "$@"
  fi
  exec "$here/files/lib/ld-linux-x86-64.so.2" --library-path "$here/files/lib" "$here/files/bin/trav-installer" "$@"
}

command=install
case "${1:-}" in
  verify | preflight | install | upgrade | start | check | status | stop | rollback | uninstall) command="$1"; shift ;;
  -h | --help | help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
  -* | "") ;;
  *) echo "install.sh: no command '$1'; sh install.sh --help lists them" >&2; exit 2 ;;
esac

case "$command" in
  verify | preflight | install | upgrade) installer "$command" "$here" "$@" ;;
  *) installer "$command" "$@" ;;
esac
