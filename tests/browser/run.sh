#!/usr/bin/env bash
# Opens HTML reports in headless Chromium, and looks at them: no script but our own runs, nothing is fetched,
# search and keys work, it can be read in light and dark and by screen readers, and thousands of services stay usable.
#   bash tests/browser/run.sh [BINARY] [DIRECTORY]    the binary of amigops; without it, `cargo run --release`.
#                                                     Reports and pictures are left in the directory.
# Needs Node >= 20, and the first time npm's registry and, where Chromium is missing, Debian's.
set -Eeuo pipefail
from=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"
readonly here=$PWD
root=$(cd ../.. && pwd)
readonly root

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

fail() {
  printf 'browser: %s\n' "$*" >&2
  exit 1
}

absolute() { [[ $1 == /* ]] && printf '%s\n' "$1" || printf '%s/%s\n' "$from" "$1"; }

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

install_chromium() {
  local -a as_root=()
  ((EUID == 0)) || as_root=(sudo -n)
  printf 'browser: Chromium is installed, once\n'
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends chromium >"$tmp/apt" 2>&1 ||
    { tail -n 20 "$tmp/apt" >&2; fail 'Chromium can not be installed'; }
}

# Exactly what package-lock.json says; what is there already is used again.
install_modules() {
  local cache=${XDG_CACHE_HOME:-${CARGO_TARGET_DIR:-$root/target}}
  modules=$cache/browser-modules
  if ! cmp -s package-lock.json "$modules/stamp"; then
    rm -rf "$modules"
    mkdir -p "$modules"
    cp package.json package-lock.json "$modules"
    (cd "$modules" && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    cp package-lock.json "$modules/stamp"
  fi
}

# A project of the repository, with a sandbox of its own.
project() {
  cp -R "$1" "$tmp/$2"
  rm -rf "$tmp/$2/.amigops"
}

report() {
  local name=$1 of=$2
  shift 2
  "$amigops" plan --format html -C "$tmp/$of" "$@" >"$out/$name.html" 2>"$tmp/said" ||
    fail "no report $name: $(<"$tmp/said")"
}

reports() {
  project "$root/examples/clinic" clinic
  report clinic clinic --prune

  project "$root/examples/quickstart" quickstart
  "$amigops" apply --auto-approve --quiet -C "$tmp/quickstart" >/dev/null
  report nothing quickstart
  node edits.mjs "$tmp/quickstart"
  report edited quickstart --prune

  project hostile hostile
  report hostile hostile

  project "$root/examples/quickstart" large
  node many.mjs "$tmp/large" 5000
  # What the page takes is what it takes longer than a plan on a terminal.
  local begun=$EPOCHREALTIME middle end
  "$amigops" plan --quiet -C "$tmp/large" >/dev/null
  middle=$EPOCHREALTIME
  report large large
  end=$EPOCHREALTIME
  begun=${begun/./} middle=${middle/./} end=${end/./}
  page=$(((end - middle - (middle - begun)) / 1000))
  printf 'large: %s bytes; plan on a terminal in %s ms, as a page in %s ms\n' \
    "$(wc -c <"$out/large.html")" "$(((middle - begun) / 1000))" "$(((end - middle) / 1000))"
  [[ $amigops != */release/* ]] || ((page < 1000)) || fail "the page takes $page ms more than the terminal"
}

begun=$SECONDS
amigops=${1:-}
if [[ -z $amigops ]]; then
  cargo build --quiet --locked --release --manifest-path "$root/Cargo.toml"
  amigops=${CARGO_TARGET_DIR:-$root/target}/release/amigops
fi
amigops=$(absolute "$amigops")
[[ -x $amigops ]] || fail "$amigops can't be run"
out=$(absolute "${2:-$tmp/out}")
mkdir -p "$out"

find_chromium >/dev/null || install_chromium
install_modules
reports
BROWSER_MODULES=$modules BROWSER=$(find_chromium) node look.mjs "$out"
printf 'browser: %s s in all\n' "$((SECONDS - begun))"
