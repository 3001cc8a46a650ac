#!/usr/bin/env bash
# The figures of docs/simulation.md: simulated schedules of faults on both APIs, the limits in virtual time and with
# the real binary, kills at every request, and faults over real HTTP. About eight minutes on two processors.
#   bash tests/performance/reliability.sh [SCHEDULES AN API]    10000 by default
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
export CARGO_TERM_COLOR=never
schedules=${1:-10000}
readonly schedules

whole=$(mktemp)
trap 'rm -f "$whole"' EXIT

# Runs something and shows the lines that matter; all of them if it fails.
figures() {
  local lines=$1
  shift
  if ! "$@" >"$whole" 2>&1; then
    cat "$whole"
    return 1
  fi
  grep -E "$lines" "$whole"
}

cargo test --quiet --no-run
cargo build --quiet --release

printf '\n## Simulated, %s schedules an API\n\n' "$schedules"
SECONDS=0
export AMIGOPS_SEEDS=$schedules
figures '^(classic|platform): |^ +[0-9]+ |^test result' cargo test --test simulation seeds -- --nocapture
printf 'took %s s\n' "$SECONDS"

printf '\n## Limits, in virtual time and by the clock\n\n'
figures '^(classic|platform): ' cargo test --test simulation schedules::limits -- --nocapture
bash tests/performance/limits.sh "${CARGO_TARGET_DIR:-target}/release/amigops"

printf '\n## SIGKILL at every request, before and after it is processed\n\n'
figures '^kill: |^test result' cargo test --test suite kill:: -- --nocapture

printf '\n## Each fault over real HTTP, and two runs at once\n\n'
figures '^test result' cargo test --test suite faults::
figures '^test result' cargo test --test suite concurrent_runs::
