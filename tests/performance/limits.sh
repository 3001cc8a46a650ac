#!/usr/bin/env bash
# 200 services with a version set each, created by the real binary over HTTP under the documented limits, whose minute
# is made shorter: how long that takes against the least that the limits allow, and how many requests were refused.
#   bash tests/performance/limits.sh [BINARY] [SECONDS A WINDOW]    10 by default: about a minute and a half
# The bar: no answer of 429, and at most 1.05 times the bound.
set -Eeuo pipefail

binary=$(realpath "${1:-target/release/amigops}")
readonly binary window=${2:-10} services=200
readonly MOST=1.05
project=$(mktemp -d)
emulator=
cleanup() {
  [[ -z $emulator ]] || kill "$emulator" 2>/dev/null || true
  rm -rf "$project"
}
trap cleanup EXIT

readonly workspace=11111111-2222-4333-8444-555555555555
mkdir "$project/services"
cat >"$project/seed.yaml" <<YAML
organizations:
  acme:
    api_keys: [{id: id, key: key, user: user}]
    agents: [{name: Agent, versions: 5}]
    context_graphs: [{name: Graph, versions: 6}]
workspaces:
  $workspace:
    api_keys: [{key: key}]
    agents: [{name: Agent, versions: 5}]
    context_graphs: [{name: Graph, versions: 6}]
YAML
"$binary" emulator --port 0 --limits documented --limit-window "$window" --seed "$project/seed.yaml" \
  >"$project/address" 2>"$project/said" &
emulator=$!
until [[ -s $project/address ]]; do
  kill -0 "$emulator" || { cat "$project/said"; exit 1; }
  sleep 0.05
done
address=$(<"$project/address")
cat >"$project/amigops.yaml" <<YAML
version: 1
manifests: [services/*.yaml]
environments:
  classic: {api: classic, organization: acme, base_url: "$address"}
  platform: {api: platform, workspace: $workspace, base_url: "$address"}
default_environment: classic
YAML
awk -v services="$services" -v project="$project" 'BEGIN {
  for (n = 1; n <= services; n++) {
    file = sprintf("%s/services/s%05d.yaml", project, n)
    printf "service: Service %d\ndescription: Coaches members\nagent: Agent\ncontext_graph: Graph\n", n >file
    printf "version_sets:\n  release: {agent_version: 3, context_graph_version: 5}\n" >file
    printf "  staging: {agent_version: latest, context_graph_version: 6}\n" >file
    close(file)
  }
}'

# Applies to one API. The limits let so many requests through at once, and the rest a window later each.
measure() {
  local api=$1 busiest=$2 limit=$3 code=0 started ended
  started=$(date +%s.%N)
  AMIGO_API_KEY=key AMIGO_API_KEY_ID=id AMIGO_USER_ID=user \
    "$binary" apply --auto-approve -e "$api" -v --log-format json -C "$project" \
    >"$project/$api.out" 2>"$project/$api.log" || code=$?
  ended=$(date +%s.%N)
  if ((code != 0)); then
    tail -20 "$project/$api.log"
    echo "$api: exit code $code"
    return 1
  fi
  awk -v api="$api" -v services="$services" -v busiest="$busiest" -v limit="$limit" -v window="$window" \
    -v seconds="$(awk -v a="$started" -v b="$ended" 'BEGIN { print b - a }')" -v most="$MOST" '
    /"message":"answered"/ { requests++; if ($0 ~ /"status":429/) refused++ }
    END {
      bound = int((busiest - 1) / limit) * window
      printf "%s: %d services, %d requests, %d answers of 429, %.1f s; the limits impose %d s: %.3f times that\n",
        api, services, requests, refused, seconds, bound, seconds / bound
      exit !(requests > services && refused == 0 && seconds <= most * bound)
    }' "$project/$api.log"
}

# Classic publishes 20 creates and 30 upserts a minute; the emulator allows 60 creates where nothing is published.
measure classic "$services" 20 &
classic=$!
measure platform "$services" 60
wait "$classic"
