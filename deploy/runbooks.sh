#!/usr/bin/env bash
# Runs what docs/runbooks tells an operator to run, against a deployment, and looks whether the alerts can fire.
#
#   deploy/runbooks.sh [--binary FILE] [PAGE…]
#
# deploy/runbooks.py says how. TEST_POSTGRES_URL and its like are those of servers.sh, or it starts servers of its own.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

if [[ ${1:-} == --binary ]]; then
    service_binary="$(realpath -- "${2:?a file}")"
    shift 2
fi
[[ -x $service_binary ]] || fail "there is no $service_binary: cargo build --release first"

begin_with_servers
python3 "$project_root/deploy/runbooks.py" --binary "$service_binary" --folder "$work_dir" \
    --postgres-programs "$(postgres_bin_dir)" "$@"
