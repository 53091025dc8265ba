#!/usr/bin/env bash
# The main job, end to end: a signed webhook comes in, a workflow decides, three plugins act, the trail is proven.
# GitHub, Jira and Slack are stand-ins on this machine; docs/guides/first-workflow.md shows how to use the real ones.
#
#   demo.sh --build FOLDER [--once]
set -euo pipefail

guides="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
build="" once=""
while [ $# -gt 0 ]; do
  case "$1" in
    --build) build="$(cd "$2" && pwd)"; shift 2 ;;
    --once) once=yes; shift ;;
    *) echo "demo.sh: unknown option $1; use --build FOLDER [--once]" >&2; exit 2 ;;
  esac
done
[ -n "$build" ] || { echo "demo.sh: --build FOLDER is missing" >&2; exit 2; }
PATH="$build/bin:$PATH"

work="$(mktemp -d -t travertine-demo-XXXXXX)"
export TRAV_CONFIG_DIR="$work/config"
webhook_secret="webhook-secret-of-the-demo"
pids=()

clean_up() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  if [ -n "$once" ]; then rm -rf "$work"; fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# What a command prints is of interest only when it fails.
quietly() { "$@" >"$work/quiet.out" 2>&1 || { cat "$work/quiet.out" >&2; exit 1; }; }

# wait_for FILE PATTERN PID: until a line of the file matches, or the process has gone.
wait_for() {
  for _ in $(seq 1 200); do
    grep -q "$2" "$1" 2>/dev/null && return 0
    kill -0 "$3" 2>/dev/null || break
    sleep 0.05
  done
  echo "demo.sh: no '$2' in $1:" >&2
  cat "$1" "$1.err" >&2 2>/dev/null || true
  exit 1
}

step "1  Stand-ins of GitHub, Jira and Slack"
trv_stand_ins --journal "$work/stand-ins.jsonl" --slack-channel triage >"$work/stand-ins.out" 2>"$work/stand-ins.out.err" &
pids+=($!)
wait_for "$work/stand-ins.out" '"slack"' "$!"
service() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$work/stand-ins.out"; }
for name in github jira slack; do printf '   %-7s %s\n' "$name" "$(service "$name")"; done

step "2  travd on the embedded log, in a fresh data folder"
travd --data "$work/data" --port 0 >"$work/travd.out" 2>"$work/travd.out.err" &
travd_pid=$!
pids+=("$travd_pid")
wait_for "$work/travd.out" 'trav login' "$travd_pid"
url="$(sed -n 's/.*is ready at \(http[^ ]*\).*/\1/p' "$work/travd.out")"
printf '   %s, data in %s\n' "$url" "$work/data"
export TRAV_URL="$url"

step "3  Tenant, plugins, connections, workflow"
eval "quietly $(grep -o 'trav login .*' "$work/travd.out")"
echo "   logged in as the operator"
quietly trav tenant create acme --name "Acme"
echo "   tenant acme created"
for plugin in github jira slack; do
  quietly trav plugin install "$build/packages/$plugin-1.0.0.trvp" --tenant acme --yes
  echo "   plugin $plugin 1.0.0 installed; the tenant grants it $(trav plugin permissions "$plugin" --tenant acme | sed -n "1s/.*: //p")"
done
connect() { quietly trav connection set "$1" --tenant acme --plugin "$1" --base-url "$(service "$1")" --allow-private-network "${@:2}"; }
printf '%s' "$webhook_secret" >"$work/webhook-secret"
GITHUB_TOKEN=github-token connect github --auth bearer --secret-env GITHUB_TOKEN --webhook-secret-file "$work/webhook-secret"
JIRA_TOKEN=jira-token connect jira --auth basic --user bot@example.com --secret-env JIRA_TOKEN
SLACK_TOKEN=slack-token connect slack --auth bearer --secret-env SLACK_TOKEN
echo "   connections github, jira and slack point at the stand-ins; the host keeps their credentials"
trav workflow apply "$guides/triage.yaml" --tenant acme

step "4  A signed webhook: an issue was opened"
signature="$(openssl dgst -sha256 -hmac "$webhook_secret" -r "$guides/issue-opened.json" | cut -d' ' -f1)"
curl --silent --show-error --fail-with-body --output "$work/delivery.json" \
  -H 'Content-Type: application/json' -H 'X-GitHub-Event: issues' -H 'X-GitHub-Delivery: demo-1' \
  -H "X-Hub-Signature-256: sha256=$signature" --data-binary "@$guides/issue-opened.json" \
  "$url/v1/tenants/acme/webhooks/github/events"
instance="$(sed -n 's/.*"started":\["\([^"]*\)".*/\1/p' "$work/delivery.json")"
[ -n "$instance" ] || { echo "demo.sh: the webhook started nothing:" >&2; cat "$work/delivery.json" >&2; exit 1; }
printf '   accepted; it started instance %s\n\n' "$instance"
trav instance watch "$instance" --tenant acme

step "5  What the stand-ins recorded"
sed -n 's/.*"service":"\([a-z]*\)".*"method":"\([A-Z]*\)","path":"\([^"]*\)".*"effect":"recorded".*/   \1  \2 \3/p' "$work/stand-ins.jsonl"

step "6  The proof, checked without the daemon"
quietly trav audit export --tenant acme --output "$work/audit"
env -u TRAV_URL TRAV_CONFIG_DIR=/nonexistent trav audit verify "$work/audit" --key-file "$work/audit/key.pub"

if [ -n "$once" ]; then
  echo
  echo "demo: ok"
  exit 0
fi

step "7  Where to go from here"
cat <<TEXT
   API        $url/openapi.json
   Metrics    $url/metrics
   Events     $url/v1/tenants/acme/events/stream

   export PATH="$build/bin:\$PATH" TRAV_URL=$url TRAV_CONFIG_DIR=$TRAV_CONFIG_DIR
   trav instance show $instance --tenant acme
   trav events tail --after 0 --tenant acme
   trav workflow apply $guides/triage.yaml --tenant acme
TEXT

printf '\ntravd runs in the foreground now; Ctrl-C ends it. Data stays in %s\n' "$work"
wait "$travd_pid"
