#!/usr/bin/env bash
# The figures of docs/reliability.md: simulated schedules of faults on both APIs, the limits in virtual time and with
# the real binary, kills at every request, and faults over real HTTP. About eight minutes on two processors.
#   bash tests/performance/reliability.sh [SCHEDULES AN API]    10000 by default
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
export CARGO_TERM_COLOR=never
schedules=${1:-10000}
readonly schedules

cargo test --quiet --no-run
cargo build --quiet --release

told() { grep -E "$1" || { echo "nothing matches: $1" >&2; return 1; }; }

printf '\n## Simulated, %s schedules an API\n\n' "$schedules"
SECONDS=0
AMIGOPS_SEEDS=$schedules cargo test --lib simulation::seeds -- --nocapture 2>&1 |
  told '^(classic|platform): |^ +[0-9]+ |^test result'
printf 'took %s s\n' "$SECONDS"

printf '\n## Limits, in virtual time and by the clock\n\n'
cargo test --lib simulation::limits -- --nocapture 2>&1 | told '^(classic|platform): '
bash tests/performance/limits.sh

printf '\n## SIGKILL at every request, before and after it is processed\n\n'
cargo test --test suite kill:: -- --nocapture 2>&1 | told '^kill: |^test result'

printf '\n## Each fault over real HTTP, and two runs at once\n\n'
cargo test --test suite faults:: 2>&1 | told '^test result'
cargo test --test suite two_runs:: 2>&1 | told '^test result'
