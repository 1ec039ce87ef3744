# shellcheck shell=bash
# What the scripts of this folder share. To be sourced, not run.

# shellcheck source-path=SCRIPTDIR source=../lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../lib.sh"

# shellcheck disable=SC2034 # read by the scripts that source this
bench_binary="$target_dir/release/bench"

# The service first and by itself: what is measured is what is shipped.
build() {
    say "building the service and the benchmark"
    (cd "$project_root" && cargo build --release --locked && cargo build --release --locked -p bench)
}

# Starts PostgreSQL and Redis for this script alone, and adds to `server_options` how to reach them.
server_options=()
start_servers() {
    eval "$("$project_root/deploy/servers.sh" up)" || fail "the servers do not start"
    trap '"$project_root/deploy/servers.sh" down' EXIT
    local name pid _port
    server_options=(--postgres-url "$TEST_POSTGRES_URL" --redis-url "$TEST_REDIS_URL")
    while read -r name pid _port; do
        server_options+=("--$name-pid" "$pid")
    done <"$TEST_SERVERS_DIR/state"
}
