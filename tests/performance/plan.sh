#!/usr/bin/env bash
# How long a plan of many services takes in each format, the reading over HTTP included, and how large it is.
#   bash tests/performance/plan.sh [BINARY] [SERVICES]    5000 services of 3 version sets, a file each
# The bar, with a release build: a plan that creates all of them, planned and printed, in under 1 s more than a plan of
# one, and a Markdown report of at most 65536 characters. Changes and replacements are figures only: there, planning
# and judging the steps take the most. Judged by the processor's time of `plan` alone: the emulator is another process. Needs Python 3 to measure.
set -Eeuo pipefail

binary=$(realpath "${1:-target/release/amigops}")
readonly binary services=${2:-5000}
readonly MOST_SECONDS=1.0 MOST_CHARACTERS=65536
project=$(mktemp -d)
emulator=
cleanup() {
  [[ -z $emulator ]] || kill "$emulator" 2>/dev/null || true
  rm -rf "$project"
}
trap cleanup EXIT

mkdir "$project/services"
cat >"$project/seed.yaml" <<'YAML'
organizations:
  acme:
    api_keys: [{id: id, key: key, user: user}]
    agents: [{name: Agent, versions: 5}, {name: Other, versions: 5}]
    context_graphs: [{name: Graph, versions: 6}]
YAML
"$binary" emulator --port 0 --limits off --seed "$project/seed.yaml" >"$project/address" 2>"$project/said" &
emulator=$!
until [[ -s $project/address ]]; do
  kill -0 "$emulator" || { cat "$project/said"; exit 1; }
  sleep 0.05
done
cat >"$project/amigops.yaml" <<YAML
version: 1
manifests: [services/*.yaml]
environments: {lab: {api: classic, organization: acme, base_url: "$(<"$project/address")"}}
default_environment: lab
YAML
write() {
  awk -v services="$services" -v project="$project" -v agent="$1" -v words="$2" 'BEGIN {
    for (n = 1; n <= services; n++) {
      file = sprintf("%s/services/s%05d.yaml", project, n)
      printf "service: Service %d\ndescription: %s on nutrition, exercise and medication\n", n, words >file
      printf "agent: %s\ncontext_graph: Graph\ntags: {tier: gold}\nversion_sets:\n", agent >file
      printf "  release: {agent_version: 3, context_graph_version: %d}\n", length(words) % 2 + 4 >file
      printf "  staging: {agent_version: latest, context_graph_version: 6}\n  dev: {}\n" >file
      close(file)
    }
  }'
}

measure() {
  AMIGO_API_KEY=key AMIGO_API_KEY_ID=id AMIGO_USER_ID=user python3 - "$binary" "$project" "$1" "$MOST_SECONDS" \
    "$MOST_CHARACTERS" <<'PYTHON'
import resource
import subprocess
import sys

binary, project, name, most_seconds, most_characters = sys.argv[1:]


def plan(*arguments):
    """The processor's seconds, the least of three, and what was printed."""
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run([binary, "plan", "-q", "-C", project, *arguments], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent), run.stdout.decode()


failed = False
# One service is shown, all are read and planned.
unseen, _ = plan("--only", "Service 1")
for format in ("human", "json", "markdown", "html"):
    seconds, text = plan("--format", format)
    more = seconds - unseen
    wrong = (name == "create" and more > float(most_seconds)) or (format == "markdown" and len(text) > int(most_characters))
    failed |= wrong
    print(f"{name:8} {format:8} {seconds:5.2f} s in all, {more:5.2f} s more than a plan of one; "
          f"{len(text):9} characters{'  TOO MUCH' if wrong else ''}")
memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print(f"{name:8} at most {memory} MB")
sys.exit(failed)
PYTHON
}

failed=0
write Agent 'Coaches members'
measure create || failed=1
AMIGO_API_KEY=key AMIGO_API_KEY_ID=id AMIGO_USER_ID=user "$binary" apply -q --auto-approve -C "$project" >/dev/null
write Agent 'Coaches all members, old and new,'
measure change || failed=1
write Other 'Coaches members'
measure replace || failed=1
exit "$failed"
