#!/usr/bin/env bash
# Holds the emulator against the vendor's schemas and the vendor's SDK, our schemas against the examples, and
# what `validate` writes as SARIF against the standard's schema.
#   bash tests/conformance/run.sh [BINARY]    the binary of amigops; without it, `cargo run --release`
# Needs Python >= 3.12 and, the first time, PyPI. Everything it makes is in a cache and a temporary directory.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
readonly here=$PWD
root=$(cd ../.. && pwd)
readonly root
readonly EXAMPLES=${CONFORMANCE_EXAMPLES:-20}
readonly CLASSIC=/v1/acme

emulator=
tmp=$(mktemp -d)
cleanup() {
  if [[ -n $emulator ]]; then
    kill "$emulator" 2>/dev/null || true
    wait "$emulator" 2>/dev/null || true
  fi
  rm -rf "$tmp"
}
trap cleanup EXIT

fail() {
  printf 'conformance: %s\n' "$*" >&2
  exit 1
}

# schemathesis 4.32 crashes on older Pythons.
find_python() {
  local candidate
  for candidate in python3.14 python3.13 python3.12 python3 "$HOME"/.pyenv/versions/3.1[2-9]*/bin/python3; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  fail 'needs Python 3.12 or newer: none on PATH or among the versions of pyenv'
}

# A virtual environment with exactly what requirements.txt says; one that is there already is used again.
prepare() {
  local python cache stamp
  python=$(find_python)
  cache=${XDG_CACHE_HOME:-${CARGO_TARGET_DIR:-$root/target}}
  venv=$cache/conformance-venv
  stamp=$("$python" -V && cat requirements.txt)
  if [[ ! -f $venv/stamp || $(<"$venv/stamp") != "$stamp" ]]; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
      --requirement requirements.txt
    printf '%s\n' "$stamp" >"$venv/stamp"
  fi
}

# Starts an emulator of its own for a part, so that no part sees what another one left.
start() {
  local waited=0
  stop
  rm -f "$tmp/address"
  "${amigops[@]}" emulator --port 0 --limits off --seed "$here/seed.yaml" >"$tmp/address" 2>"$tmp/emulator" &
  emulator=$!
  until [[ -s $tmp/address ]]; do
    kill -0 "$emulator" 2>/dev/null || fail "the emulator did not start: $(<"$tmp/emulator")"
    ((++waited < 1200)) || fail 'the emulator gave no address within a minute'
    sleep 0.05
  done
  url=$(<"$tmp/address")
}

stop() {
  [[ -n $emulator ]] || return 0
  kill "$emulator" 2>/dev/null || fail "the emulator ended by itself: $(<"$tmp/emulator")"
  wait "$emulator" 2>/dev/null || true
  emulator=
}

sign_in() {
  "$venv/bin/python" - "$url$CLASSIC/user/signin_with_api_key" <<'PYTHON'
import sys
import requests

headers = {"x-api-key": "classic-secret", "x-api-key-id": "key-id", "x-user-id": "user-1"}
answer = requests.post(sys.argv[1], headers=headers, timeout=10)
answer.raise_for_status()
print(answer.json()["id_token"])
PYTHON
}

# What is told of a part at the end: requests, operations, failures.
figures() {
  "$venv/bin/python" - "$1" <<'PYTHON'
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    report = json.load(file)
cases, operations = report["test_cases"], report["operations"]
accepted = {
    operation
    for operation, phases in report["valid_rates"].items()
    if any(phase["accepted"] for phase in phases.values())
}
print(
    f"{cases['generated']} requests, {operations['tested']} of {operations['selected']} operations,"
    f" {cases['unique_failures'] + cases['errored'] + len(report['errors'])} failures"
)
PYTHON
}

declare -a told=()
failed=0

# Runs a part, and notes how it went: the last line of its output is what is told of it.
part() {
  local name=$1 begun=$SECONDS code=0
  shift
  printf '\n--- %s\n' "$name"
  "$@" >"$tmp/said" 2>&1 || code=$?
  cat "$tmp/said"
  ((code == 0)) || failed=1
  told+=("$(printf '%-9s %s, %s s, exit code %s' "$name" "$(tail -n 1 "$tmp/said")" "$((SECONDS - begun))" "$code")")
}

# schemathesis with one API's schema and settings.
schemas() {
  local api=$1 code=0
  (
    cd "$tmp" # where it leaves its own cache
    CONFORMANCE_HOOKS=$here/hooks.py PYTHONDONTWRITEBYTECODE=1 COLUMNS=110 "$venv/bin/schemathesis" \
      --config-file "$here/$api.toml" run "$here/$api-openapi.json" --url "$url" --no-color \
      --max-examples "$EXAMPLES" --report json --report-json-path "$tmp/$api.json"
  ) || code=$?
  [[ -f $tmp/$api.json ]] || return 1
  figures "$tmp/$api.json"
  return "$code"
}

sdk() {
  # The SDK reads .env where it runs.
  (
    cd "$tmp"
    AMIGO_BASE_URL=$url AMIGO_API_KEY=classic-secret AMIGO_API_KEY_ID=key-id AMIGO_USER_ID=user-1 \
      AMIGO_ORGANIZATION_ID=acme "$venv/bin/python" "$here/sdk.py"
  )
}

# What `validate --format sarif` writes of the table of broken manifests, and the standard's schema.
sarif() { "$venv/bin/python" "$here/sarif.py" "${amigops[0]}"; }

begun=$SECONDS
declare -a amigops=("${1:-${AMIGOPS:-}}")
if [[ -z ${amigops[0]} ]]; then
  cargo build --quiet --locked --release --manifest-path "$root/Cargo.toml"
  amigops=("${CARGO_TARGET_DIR:-$root/target}/release/amigops")
elif [[ ${amigops[0]} != /* ]]; then
  amigops=("$OLDPWD/${amigops[0]}")
fi
[[ -x ${amigops[0]} ]] || fail "${amigops[0]} can't be run"

prepare
told+=("$(printf '%-9s %s s' tools "$((SECONDS - begun))")")
start
CLASSIC_TOKEN=$(sign_in)
export CLASSIC_TOKEN
part classic schemas classic
start
part platform schemas platform
start
part sdk sdk
stop
part sarif sarif

printf '\n'
printf '%s\n' "${told[@]}"
printf 'conformance: %s s in all\n' "$((SECONDS - begun))"
exit "$failed"
