#!/usr/bin/env bash
# The packages of clients/, built in a folder outside the tree and run from there.
#
#   package.sh python|go|typescript FOLDER here             whether it can be built and run
#   package.sh python|go|typescript FOLDER test             its unit tests
#   package.sh python|go|typescript FOLDER events [ARG...]  the command that it brings
#
# Ends with 77 and says what is missing where the language, or the libraries of its registry, are not here.
set -euo pipefail
repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
language=$1 folder=$2 what=$3
shift 3

skip() { printf 'skipped: %s\n' "$*" >&2; exit 77; }

# version TOOL NEEDED FOUND
version() {
  [ "$(printf '%s\n' "$2" "$3" | sort -V | head -n 1)" = "$2" ] || skip "$1 is $3, and clients/ needs $2 or later"
}

# One build at a time.
only_one() {
  mkdir -p "$folder"
  exec 9>"$folder/lock"
  flock 9
}

python() {
  export PYTHONPATH="$folder" PYTHONDONTWRITEBYTECODE=1
  case "$what" in
    here) ;;
    test) exec /usr/bin/python3 -m unittest discover -s "$repository/clients/python/tests" -p "*_test.py" ;;
    events) exec /usr/bin/python3 -m travertine_events "$@" ;;
  esac
}

go_() {
  command -v go >/dev/null || skip "go is not installed; clients/go needs Go 1.26 or later"
  export GOTOOLCHAIN=local
  version go 1.26 "$(go env GOVERSION | sed 's/^go//')"
  cd "$repository/clients/go"
  only_one
  go mod download >"$folder/download" 2>&1 || skip "the modules of clients/go/go.mod cannot be fetched: $(tail -n 1 "$folder/download")"
  case "$what" in
    test)
      go vet ./...
      [ -z "$(gofmt -l .)" ] || { gofmt -d . >&2; exit 1; }
      go test ./...
      ;;
    here) go build -o "$folder/travertine-events" ./cmd/travertine-events ;;
    events)
      go build -o "$folder/travertine-events" ./cmd/travertine-events
      exec 9>&-
      exec "$folder/travertine-events" "$@"
      ;;
  esac
}

typescript() {
  command -v node >/dev/null || skip "node is not installed; clients/typescript needs Node 20.19.4 or later"
  command -v npm >/dev/null || skip "npm is not installed; clients/typescript needs it"
  version node 20.19.4 "$(node --version | sed 's/^v//')"
  only_one
  export REPOSITORY="$repository"
  local source="$repository/clients/typescript" built="$folder/typescript"
  mkdir -p "$built" "$folder/schemas"
  cp "$repository"/clients/schemas/*.bfbs "$folder/schemas"
  (cd "$source" && cp -R package.json package-lock.json tsconfig.json copy-schemas.mjs src tests "$built")
  cd "$built"
  if ! cmp -s package-lock.json node_modules/installed; then
    npm ci --ignore-scripts >"$folder/install" 2>&1 ||
      skip "the packages of clients/typescript/package-lock.json cannot be fetched: $(tail -n 1 "$folder/install")"
    cp package-lock.json node_modules/installed
    rm -f built
  fi
  if ! cmp -s <(inputs) built; then
    npm run --silent build >&2
    inputs >built
  fi
  case "$what" in
    here) ;;
    test) npm test --silent ;;
    events)
      exec 9>&-
      exec node dist/src/main.js "$@"
      ;;
  esac
}

# What the build of the TypeScript package depends on.
inputs() { sha256sum package-lock.json tsconfig.json src/* tests/* ../schemas/*; }

case "$language" in
  python) python "$@" ;;
  go) go_ "$@" ;;
  typescript) typescript "$@" ;;
esac
