#!/usr/bin/env bash
# A real server of S3 on loopback, which checks every signature: the Versity gateway over a folder.
#
#   server.sh fetch                       builds it once, into ~/.cache/travertine/s3
#   server.sh have                        ends with 3 where it is not here
#   server.sh start FOLDER PORT [NAME]    serves FOLDER/buckets, each folder in it a bucket; over TLS where FOLDER has
#                                         NAME.pem and NAME.key; prints the process and returns once the port is open
#   server.sh runs FOLDER                 ends with 1 where it does not run
#   server.sh stop FOLDER                 kills it
#
# The access key is "travertine", its secret "of-the-test".
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/travertine/s3"
version=v1.8.0
program="$cache/versitygw"

fail() { printf 'server.sh: %s\n' "$*" >&2; exit 1; }

fetch() {
  [ "$program" -nt "$here/server.sh" ] && return 0
  command -v go >/dev/null || fail "go is not installed; it has to be 1.25 or newer"
  mkdir -p "$cache"
  GOBIN="$cache" go install "github.com/versity/versitygw/cmd/versitygw@$version"
  touch "$program"
}

start() {
  local folder=$1 port=$2 name=${3:-} tls=()
  [ -x "$program" ] || fail "the server is not here: run server.sh fetch"
  mkdir -p "$folder/buckets"
  [ -z "$name" ] || tls=(--cert "$folder/$name.pem" --key "$folder/$name.key")
  ROOT_ACCESS_KEY=travertine ROOT_SECRET_KEY=of-the-test setsid "$program" --quiet --port "127.0.0.1:$port" "${tls[@]}" \
    posix "$folder/buckets" >>"$folder/log" 2>&1 </dev/null &
  echo $! >"$folder/pid"
  for ((i = 0; i < 300; i++)); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then cat "$folder/pid"; return 0; fi
    kill -0 "$(cat "$folder/pid")" 2>/dev/null || { tail -n 20 "$folder/log" >&2; fail "the server on port $port ended"; }
    sleep 0.1
  done
  fail "the server on port $port is not ready after 30 s"
}

runs() { [ -e "$1/pid" ] && grep -qs versitygw "/proc/$(cat "$1/pid")/cmdline"; }

stop() {
  [ -e "$1/pid" ] || return 0
  ! runs "$1" || kill -KILL "$(cat "$1/pid")"
  rm -f "$1/pid"
}

case "${1:-}" in
  fetch) fetch ;;
  have) [ -x "$program" ] || exit 3 ;;
  start) [ $# -ge 3 ] || fail "start FOLDER PORT [NAME]"; start "$2" "$3" "${4:-}" ;;
  runs) [ $# -eq 2 ] || fail "runs FOLDER"; runs "$2" ;;
  stop) [ $# -eq 2 ] || fail "stop FOLDER"; stop "$2" ;;
  *) fail "usage: server.sh fetch | have | start FOLDER PORT [NAME] | runs FOLDER | stop FOLDER" ;;
esac
