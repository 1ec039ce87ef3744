#!/usr/bin/env bash
# Upgrades two nodes under load from one commit to another and takes them back, and tells what anybody noticed of it.
#
#   deploy/upgrade.sh OLD NEW                        two commits, each built in a worktree and a target folder of its own
#   deploy/upgrade.sh --debug OLD NEW                the same without optimisation, which is built sooner
#   deploy/upgrade.sh --old-binary F --new-binary F  what is built already
#
# Two nodes of the old release serve behind haproxy on PostgreSQL and Redis, as the role that may change no schema, while
# people use them. Then: `migrate up` of the new release as the owner of the tables; the nodes become new one by one;
# they become old again one by one, on the new schema; and new once more. It prints the requests that failed in each
# step, and which locks the migration held on tables, for how long, and how long anybody waited for them.
# Ends with status 1 if a request failed or somebody was signed out. Without optimisation, or on a busy machine, some
# sign-ins are refused since their hash waited too long (503): those count as failed too. Needs `deploy/servers.sh install faults`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

profile=(--release) folder_of_profile=release
old_binary='' new_binary=''
while [[ ${1:-} == --* ]]; do
    case "$1" in
        --debug)
            profile=() folder_of_profile=debug
            shift
            ;;
        --old-binary) old_binary="$(realpath -- "${2:?a file}")" && shift 2 ;;
        --new-binary) new_binary="$(realpath -- "${2:?a file}")" && shift 2 ;;
        *) fail "there is no option $1" ;;
    esac
done

work_dir="$(mktemp -d)"
unset TEST_SERVERS_DIR
cleanup() {
    local status=$?
    trap '' INT TERM
    [[ -z ${TEST_SERVERS_DIR:-} ]] || "$project_root/deploy/servers.sh" down || true
    [[ ! -d $work_dir/source ]] || git -C "$project_root" worktree remove --force "$work_dir/source" || true
    rm -rf -- "$work_dir"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# build COMMIT: prints the binary. The folder that cargo builds in is kept for the next run.
build() {
    local commit target
    commit="$(git -C "$project_root" rev-parse --verify --quiet "$1^{commit}")" || fail "there is no commit $1"
    target="$target_dir/upgrade/${commit:0:12}"
    if [[ ! -x $target/kept/$folder_of_profile ]]; then
        git -C "$project_root" worktree add --quiet --detach "$work_dir/source" "$commit" >&2
        (cd "$work_dir/source" && CARGO_TARGET_DIR="$target" cargo build --locked "${profile[@]}" --bin fashionistar-auth) >&2
        git -C "$project_root" worktree remove --force "$work_dir/source"
        mkdir -p "$target/kept"
        cp "$target/$folder_of_profile/fashionistar-auth" "$target/kept/$folder_of_profile"
    fi
    printf '%s\n' "$target/kept/$folder_of_profile"
}

if [[ -z $old_binary ]]; then
    old_binary="$(build "${1:?the commit that serves now}")"
    shift
fi
if [[ -z $new_binary ]]; then
    new_binary="$(build "${1:?the commit to upgrade to}")"
fi

forget_service_settings
server_variables="$("$project_root/deploy/servers.sh" up)"
eval "$server_variables"
python3 "$project_root/deploy/upgrade.py" --old "$old_binary" --new "$new_binary" --folder "$work_dir" \
    --postgres-programs "$(postgres_bin_dir)"
