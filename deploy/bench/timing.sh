#!/usr/bin/env bash
# Looks for differences in time between identifiers that somebody has and identifiers that nobody has, in the
# release binary: 2,000 pairs for routes with a password hash, 5,000 for the others, with controls.
#
#   deploy/bench/timing.sh                          on SQLite; some ten minutes
#   deploy/bench/timing.sh --servers                on PostgreSQL and Redis
#   deploy/bench/timing.sh --hash-pairs 200 --pairs 500    a short look
#   deploy/bench/timing.sh --only register          only the cases with this in their name
#   deploy/bench/timing.sh --json FILE              the figures as JSON too
#
# Ends with status 0 when no class can be told from another and the controls come out as they must.
# Nothing else should run on the machine. docs/performance.md says what is compared, and how it is judged.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"

options=()
for option in "$@"; do
    case "$option" in
        --servers) with_servers=true ;;
        *) options+=("$option") ;;
    esac
done

build
if ${with_servers:-false}; then start_servers; fi
"$bench_binary" timing --binary "$service_binary" "${server_options[@]}" "${options[@]}"
