#!/usr/bin/env bash
# Everything that needs servers: the test suite, the release build, the walk through README.md,
# the first start of docs/deployment.md, what the runbooks say, and the fuzzing of the API.
#
#   deploy/test.sh                     all of it
#   deploy/test.sh -E 'test(refresh)'  only the suite; the arguments go to cargo nextest run
#
# NEXTEST_PROFILE chooses another profile of .config/nextest.toml.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
cd "$project_root"

stop_servers() {
    trap '' INT TERM
    [[ -z ${TEST_SERVERS_DIR:-} ]] || deploy/servers.sh down || true
}

run_suite() {
    local profile="${NEXTEST_PROFILE:-default}"
    if cargo nextest --version >/dev/null 2>&1; then
        step "cargo nextest run, profile $profile"
        cargo nextest run --workspace --all-features --profile "$profile" "$@"
    elif (($# > 0)); then
        fail "cargo-nextest is not installed, and only it understands: $*"
    else
        step "cargo test (cargo-nextest is not installed: no time limits, no groups)"
        cargo test --workspace --all-features -- --test-threads=2
    fi
}

step "what the tests need"
deploy/servers.sh install
# Servers that the calling shell started are not ours to stop.
unset TEST_SERVERS_DIR
trap stop_servers EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# In two steps: `eval` alone would hide a failure.
server_variables="$(deploy/servers.sh up)"
eval "$server_variables"

if (($# > 0)); then
    run_suite "$@"
    end_step
    exit
fi

run_suite

step "cargo test --doc"
cargo test --doc --workspace --all-features

step "cargo build --release"
cargo build --release --locked

step "the walk through README.md"
deploy/readme-walk.sh

step "the first start of docs/deployment.md"
# Containers without CAP_SYS_ADMIN have no mount namespaces.
if as_root unshare --mount true 2>/dev/null; then
    deploy/first-start.sh
else
    say "LEFT OUT: nobody may make a mount namespace here, so the first start was not tried"
fi

step "the runbooks and the alerts"
deploy/runbooks.sh

step "schemathesis"
deploy/schemathesis.sh

report_steps
