#!/usr/bin/env bash
# Measures what people notice when something the service depends on is away, or a node is: the release binary under
# load, on servers of its own that are stopped, restarted, frozen and promoted, on a disk that is full, in a flood of
# sign-ins; and two nodes behind haproxy and behind nginx.
#
#   deploy/faults.sh                    all of it, some twenty minutes
#   deploy/faults.sh flood postgres     only these
#   deploy/faults.sh --binary FILE --proxy nginx rolling killed
#
# One node:  redis, postgres, frozen, disk, flood.
# Two nodes: rolling (six rolling restarts), killed (-9), promotion (of a standby), sentinel and cluster (a master of
#            Redis dies), pgbouncer (transaction mode), clock (90 s ahead and 90 s behind), log (a pipe nobody reads).
#
# Prints for each fault how many requests were answered with what, the longest answer, and how long it took after the
# end of the fault until everything was answered again. What has to be so is shown by crates/server/tests/faults.
# Wants a machine that does nothing else, and `deploy/servers.sh install faults`. The full disk needs root: it is a
# small tmpfs.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

more=()
while [[ ${1:-} == --* ]]; do
    case "$1" in
        --binary) service_binary="$(realpath -- "${2:?a file}")" ;;
        --proxy) more=(--proxies "${2:?haproxy or nginx}") ;;
        *) fail "there is no option $1" ;;
    esac
    shift 2
done
(($# > 0)) || set -- redis postgres frozen disk flood rolling killed promotion sentinel cluster pgbouncer clock log
[[ -x $service_binary ]] || fail "there is no $service_binary: cargo build --release first"

work_dir="$(mktemp -d)"
unset TEST_SERVERS_DIR
cleanup() {
    local status=$?
    trap '' INT TERM
    [[ -z ${TEST_SERVERS_DIR:-} ]] || "$project_root/deploy/servers.sh" down || true
    ! mountpoint -q "$work_dir/small" || umount "$work_dir/small" || true
    rm -rf -- "$work_dir"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

server_variables="$("$project_root/deploy/servers.sh" up)"
eval "$server_variables"
for fault in "$@"; do
    if [[ $fault == disk ]]; then
        if ((EUID != 0)); then
            say "the full disk needs root, for a small tmpfs: left out"
            continue
        fi
        mkdir "$work_dir/small"
        mount -t tmpfs -o size=16m tmpfs "$work_dir/small"
    fi
    python3 "$project_root/deploy/faults.py" "$fault" --binary "$service_binary" --folder "$work_dir" \
        --postgres-programs "$(postgres_bin_dir)" ${more[@]+"${more[@]}"}
done
