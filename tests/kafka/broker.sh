#!/usr/bin/env bash
# A real Apache Kafka (KRaft) on loopback.
#
#   broker.sh fetch                    the broker's libraries, once, into ~/.cache/travertine/kafka
#   broker.sh have                     ends with 3 where they are not here
#   broker.sh start FOLDER PORT [N]    N brokers (1 or 3) on PORT and the ports behind it, their controllers N further;
#                                      prints what clients connect to; settings of FOLDER/ID/more come on top,
#                                      FOLDER/1/users are users as `kafka-storage format` takes them
#   broker.sh again FOLDER ID          starts one that has ended, on its data; does not wait for it
#   broker.sh runs FOLDER              ends with 1 where none of them runs
#   broker.sh stop FOLDER              ends them; their data are scratch
#
# With TRV_BROKERS_OF=PID in the environment of start and again, they end with that process, however it ends.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
libraries="${XDG_CACHE_HOME:-$HOME/.cache}/travertine/kafka"
classes="$libraries/classes.jsa" # of a broker that has started, so that the next start is faster
java=(java -Xms64m -Xmx256m -Xss256k -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData
  -Djava.net.preferIPv4Stack=true -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$(printf '%s:' "$libraries"/*.jar)")
[ ! -e "$classes" ] || java+=(-Xshare:auto "-XX:SharedArchiveFile=$classes")

fail() { printf 'broker.sh: %s\n' "$*" >&2; exit 1; }

fetch() {
  [ "$libraries/complete" -nt "$here/pom.xml" ] && return 0
  command -v mvn >/dev/null || fail "mvn is not installed: apt-get install maven openjdk-17-jre-headless"
  rm -rf "$libraries"
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$libraries"
  touch "$libraries/complete"
  "$here/broker.sh" keep_classes || rm -f "$classes.new" # it only makes starts faster
}

# A broker that ends in order leaves its classes as an archive of the Java virtual machine.
keep_classes() {
  local folder
  folder="$(mktemp -d -t travertine-broker-XXXXXX)"
  # shellcheck disable=SC2064 # the folder as it is now
  trap "'$here/broker.sh' stop '$folder'; rm -rf '$folder'" EXIT
  java+=("-XX:ArchiveClassesAtExit=$classes.new")
  start "$folder" 19192 >/dev/null
  kill -TERM "$(cat "$folder/1/pid")"
  for ((i = 0; i < 600; i++)); do kill -0 "$(cat "$folder/1/pid")" 2>/dev/null || break; sleep 0.1; done
  [ ! -e "$classes.new" ] || mv "$classes.new" "$classes"
}

settings() { # id, count, folder, port
  local id=$1 count=$2 folder=$3 port=$4 voters="" i
  for ((i = 1; i <= count; i++)); do voters+="${voters:+,}$i@127.0.0.1:$((port + count + i - 1))"; done
  cat <<TEXT
process.roles=broker,controller
node.id=$id
listeners=PLAINTEXT://127.0.0.1:$((port + id - 1)),CONTROLLER://127.0.0.1:$((port + count + id - 1))
controller.listener.names=CONTROLLER
controller.quorum.voters=$voters
log.dirs=$folder/$id/data
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=2
log.cleaner.dedupe.buffer.size=2097152
log.cleaner.io.buffer.size=65536
offsets.topic.num.partitions=1
offsets.topic.replication.factor=$count
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=$count
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=$count
min.insync.replicas=$((count == 1 ? 1 : 2))
replica.lag.time.max.ms=2000
group.min.session.timeout.ms=500
group.initial.rebalance.delay.ms=0
TEXT
  if [ "$count" -eq 1 ]; then # nobody could take over from it
    printf '%s\n' broker.session.timeout.ms=1500 broker.heartbeat.interval.ms=200
  else # as docs/guides/kafka.md recommends
    printf '%s\n' broker.session.timeout.ms=500 broker.heartbeat.interval.ms=100 \
      controller.quorum.fetch.timeout.ms=800 controller.quorum.election.timeout.ms=200
  fi
}

start() {
  local folder=$1 port=$2 count=${3:-1} id bootstrap=""
  [ -e "$libraries/complete" ] || fail "the broker's libraries are not here: run broker.sh fetch"
  for ((id = 1; id <= count; id++)); do
    mkdir -p "$folder/$id"
    settings "$id" "$count" "$folder" "$port" >"$folder/$id/settings"
    [ ! -e "$folder/$id/more" ] || cat "$folder/$id/more" >>"$folder/$id/settings"
    format "$folder" "$id"
    spawn "$folder/$id"
    bootstrap+="${bootstrap:+,}127.0.0.1:$((port + id - 1))"
  done
  for ((id = 1; id <= count; id++)); do ready "$folder/$id" $((port + id - 1)); done
  echo "$bootstrap"
}

# The first one; the others get its data with their own number.
format() {
  local folder=$1 id=$2 users=()
  if [ "$id" -gt 1 ]; then
    cp -r "$folder/1/formatted" "$folder/$id/data"
    sed -i -e "s/^node.id=.*/node.id=$id/" -e '/^directory.id=/d' "$folder/$id/data/meta.properties"
    return
  fi
  [ ! -e "$folder/1/users" ] || mapfile -t users <"$folder/1/users"
  "${java[@]}" kafka.tools.StorageTool format -t dHJhdmVydGluZXRlc3RzMQ -c "$folder/1/settings" "${users[@]}" \
    >"$folder/1/log" 2>&1 || { cat "$folder/1/log" >&2; fail "the brokers' data cannot be formatted"; }
  cp -r "$folder/1/data" "$folder/1/formatted"
}

spawn() {
  setsid "${java[@]}" kafka.Kafka "$1/settings" >>"$1/log" 2>&1 </dev/null &
  echo $! >"$1/pid"
  # In a session of its own: what ends the group of the owner, as timeout(1) does, must not end the watcher.
  [ -n "${TRV_BROKERS_OF:-}" ] || return 0
  setsid "$here/broker.sh" end_with "$TRV_BROKERS_OF" $! "$1" >/dev/null 2>&1 </dev/null &
}

# The 22nd word of /proc/PID/stat is when the process began: a number that is used again is another process.
began() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

lives() { # process, when it began; a look that fails says nothing
  local now
  [ -e "/proc/$1" ] || return 1
  now="$(began "$1")"
  [ -z "$now" ] || [ -z "$2" ] || [ "$now" = "$2" ]
}

end_with() { # owner, broker, the broker's folder
  local owner broker
  owner="$(began "$1")" broker="$(began "$2")"
  while lives "$1" "$owner"; do
    lives "$2" "$broker" || return 0
    sleep 1
  done
  ! lives "$2" "$broker" || kill -KILL "$2"
  [ "$(cat "$3/pid")" != "$2" ] || rm -f "$3/pid"
}

# A broker opens its clients' port last.
ready() {
  local i
  for ((i = 0; i < 1200; i++)); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then return 0; fi
    kill -0 "$(cat "$1/pid")" 2>/dev/null || { tail -n 20 "$1/log" >&2; fail "the broker on port $2 ended"; }
    sleep 0.1
  done
  fail "the broker on port $2 is not ready after 120 s"
}

runs() {
  local pid
  for pid in "$1"/[0-9]/pid; do
    if [ -e "$pid" ] && grep -qs kafka.Kafka "/proc/$(cat "$pid")/cmdline"; then return 0; fi
  done
  return 1
}

stop() {
  local pid
  for pid in "$1"/[0-9]/pid; do
    [ -e "$pid" ] || continue
    kill -KILL "$(cat "$pid")" 2>/dev/null || true
    rm -f "$pid"
  done
}

case "${1:-}" in
  fetch) fetch ;;
  keep_classes) keep_classes ;;
  end_with) end_with "$2" "$3" "$4" ;;
  have) [ -e "$libraries/complete" ] || exit 3 ;;
  start) [ $# -ge 3 ] || fail "start FOLDER PORT [N]"; start "$2" "$3" "${4:-1}" ;;
  again) [ $# -eq 3 ] || fail "again FOLDER ID"; spawn "$2/$3" ;;
  runs) [ $# -eq 2 ] || fail "runs FOLDER"; runs "$2" ;;
  stop) [ $# -eq 2 ] || fail "stop FOLDER"; stop "$2" ;;
  *) fail "usage: broker.sh fetch | have | start FOLDER PORT [N] | again FOLDER ID | runs FOLDER | stop FOLDER" ;;
esac
