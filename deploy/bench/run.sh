#!/usr/bin/env bash
# Measures the release binary under load, on SQLite and on PostgreSQL with Redis: requests a second, latencies,
# CPU time of service and stores for each request, beside what argon2 and the bare UPDATE allow on this machine.
#
#   deploy/bench/run.sh                     builds, starts throw-away servers, measures, prints a table
#   deploy/bench/run.sh --seconds 5         shorter; --connections N, --people N as well
#   deploy/bench/run.sh --only me           only the rows with this in their name
#   deploy/bench/run.sh --json FILE         the figures as JSON too
#   deploy/bench/run.sh --embedded-only     SQLite alone, no servers
#
# Nothing else should run on the machine. docs/performance.md says what the columns mean.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

options=()
with_servers=true
for option in "$@"; do
    case "$option" in
        --embedded-only) with_servers=false ;;
        *) options+=("$option") ;;
    esac
done

build
if $with_servers; then start_servers; fi
"$bench_binary" load --binary "$service_binary" "${server_options[@]}" "${options[@]}"
