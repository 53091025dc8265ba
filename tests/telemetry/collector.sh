#!/usr/bin/env bash
# A real OpenTelemetry Collector on loopback: its own receiver of OTLP, and an exporter that writes lines of JSON.
#
#   collector.sh fetch              builds it once, into ~/.cache/travertine/collector
#   collector.sh have               ends with 3 where it is not here
#   collector.sh start FOLDER PORT  takes OTLP/HTTP on the port and writes to FOLDER/lines; returns once the port is open
#   collector.sh stop FOLDER        ends it
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/travertine/collector"
program="$cache/collector"

fail() { printf 'collector.sh: %s\n' "$*" >&2; exit 1; }

# The versions are those of go.mod; sum.golang.org says whether their bytes are the published ones.
fetch() {
  [ "$program" -nt "$here/collector/main.go" ] && [ "$program" -nt "$here/collector/go.mod" ] && return 0
  command -v go >/dev/null || fail "go is not installed; it has to be 1.25 or newer"
  mkdir -p "$cache/source"
  cp "$here/collector/main.go" "$here/collector/go.mod" "$cache/source"
  (cd "$cache/source" && go build -mod=mod -buildvcs=false -o "$program" .)
}

start() {
  local folder=$1 port=$2
  [ -x "$program" ] || fail "the collector is not here: run collector.sh fetch"
  mkdir -p "$folder"
  cat >"$folder/collector.yaml" <<TEXT
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:$port"}}}}
exporters: {lines: {path: "$folder/lines"}}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [lines]}
    metrics: {receivers: [otlp], exporters: [lines]}
    logs: {receivers: [otlp], exporters: [lines]}
TEXT
  setsid "$program" --config "$folder/collector.yaml" >>"$folder/log" 2>&1 </dev/null &
  echo $! >"$folder/pid"
  for ((i = 0; i < 300; i++)); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return 0; fi
    kill -0 "$(cat "$folder/pid")" 2>/dev/null || { tail -n 20 "$folder/log" >&2; fail "the collector on port $port ended"; }
    sleep 0.1
  done
  fail "the collector on port $port is not ready after 30 s"
}

stop() {
  [ -e "$1/pid" ] || return 0
  ! grep -qs collector "/proc/$(cat "$1/pid")/cmdline" || kill -TERM "$(cat "$1/pid")"
  rm -f "$1/pid"
}

case "${1:-}" in
  fetch) fetch ;;
  have) [ -x "$program" ] || exit 3 ;;
  start) [ $# -eq 3 ] || fail "start FOLDER PORT"; start "$2" "$3" ;;
  stop) [ $# -eq 2 ] || fail "stop FOLDER"; stop "$2" ;;
  *) fail "usage: collector.sh fetch | have | start FOLDER PORT | stop FOLDER" ;;
esac
