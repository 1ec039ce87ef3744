# shellcheck shell=bash
# What the scripts of this folder share. To be sourced, not run.
# Everything said to a person goes to standard error, so that standard output can carry results.

# The checkout, and where cargo puts what it builds.
project_root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
target_dir="${CARGO_TARGET_DIR:-target}"
[[ $target_dir == /* ]] || target_dir="$project_root/$target_dir"
# shellcheck disable=SC2034 # read by the scripts that start the service
service_binary="$target_dir/release/fashionistar-auth"

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "${0##*/}: $*"
    exit 1
}

# ---- steps and their times ----

# A script started by another counts on from the first one's start.
steps_began_at="${STEPS_BEGAN_AT:-$(date +%s)}"
export STEPS_BEGAN_AT="$steps_began_at"
step_began_at=
step_title=
step_report=()

# Ends the step before, if there was one, and prints a heading with the time since the start.
step() {
    end_step
    step_title="$*"
    step_began_at="$(date +%s)"
    say
    say "==== $(as_minutes $((step_began_at - steps_began_at)))  $step_title"
}

end_step() {
    [[ -n $step_title ]] || return 0
    step_report+=("$(as_minutes $(($(date +%s) - step_began_at)))  $step_title")
    step_title=
}

# What took how long, step by step.
report_steps() {
    end_step
    say
    say "---- what took how long"
    ((${#step_report[@]} == 0)) || printf '%s\n' "${step_report[@]}" >&2
    say "$(as_minutes $(($(date +%s) - steps_began_at)))  since the start"
}

as_minutes() { printf '%3d:%02d' $(($1 / 60)) $(($1 % 60)); }

# ---- packages of the system ----

on_debian() { [[ -r /etc/debian_version ]] && command -v apt-get >/dev/null; }

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "needs root for: $* (and there is no sudo here)"
    fi
}

# Debian and Ubuntu only. The lists are fetched first: a fresh image has none.
install_packages() {
    say "installing with apt-get: $*"
    as_root apt-get update -q >&2 || fail "apt-get update failed"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2 ||
        fail "apt-get install $* failed"
}

# Prints the folder of the newest PostgreSQL with all its server programs; fails when there is none.
# Debian keeps them outside PATH, one folder per version.
postgres_bin_dir() {
    local oldest=14 candidate program on_path version best='' best_version=0
    on_path="$(command -v postgres || true)"
    for candidate in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin "${on_path%/*}"; do
        for program in postgres initdb pg_ctl pg_isready psql; do
            [[ -x $candidate/$program ]] || continue 2
        done
        version="$("$candidate/postgres" --version)"
        version="${version##*PostgreSQL) }"
        version="${version%%[!0-9]*}"
        if ((version >= oldest && version > best_version)); then
            best="$candidate"
            best_version="$version"
        fi
    done
    [[ -n $best ]] && printf '%s\n' "$best"
}

# ---- ports ----

port_is_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A free port below the range that outgoing connections are given.
# Somebody else may take it before it is bound: whoever binds it tries again with another.
free_port() {
    local port
    for _ in {1..200}; do
        port=$((20000 + RANDOM % 12000))
        if ! port_is_taken "$port"; then
            printf '%s\n' "$port"
            return
        fi
    done
    fail "found no free port between 20000 and 32000"
}

# ---- waiting ----

# wait_for SECONDS COMMAND…: runs the command until it succeeds, fails when the time is over.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# ---- the Python programs that the tests use ----

# Makes the folder with them, or keeps the one of an earlier run, and prints it.
ensure_test_venv() {
    local venv="$target_dir/test-venv" wanted="$project_root/deploy/requirements-test.txt"
    if cmp -s "$wanted" "$venv/installed.txt" && "$venv/bin/python" "$venv/bin/schemathesis" --version >/dev/null 2>&1; then
        printf '%s\n' "$venv"
        return
    fi
    command -v python3 >/dev/null || fail "needs Python 3.11 or newer"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "needs Python 3.11 or newer, found $(python3 --version)"
    # Debian packs the module that makes environments apart from Python.
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        on_debian || fail "Python has no module venv: install it"
        install_packages python3-venv
    fi
    say "making $venv"
    rm -rf "$venv"
    mkdir -p "$target_dir"
    {
        python3 -m venv "$venv" &&
            "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement "$wanted"
    } >&2 || fail "could not make $venv"
    cp "$wanted" "$venv/installed.txt"
    printf '%s\n' "$venv"
}

# ---- the Node programs that the tests use ----

# oidc-provider wants Node 18 or newer, and npm installs it.
node_is_new_enough() {
    command -v node >/dev/null && command -v npm >/dev/null || return 1
    local version
    version="$(node --version)"
    [[ $version =~ ^v([0-9]+)\. ]] && ((BASH_REMATCH[1] >= 18))
}

# Makes the folder with them, or keeps the one of an earlier run, and prints it.
ensure_test_node() {
    local folder="$target_dir/test-node" wanted="$project_root/deploy/test-node"
    if cmp -s "$wanted/package-lock.json" "$folder/installed.json" && [[ -d $folder/node_modules/oidc-provider ]]; then
        printf '%s\n' "$folder"
        return
    fi
    node_is_new_enough || fail "needs Node 18 or newer with npm: deploy/servers.sh install"
    say "making $folder"
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$wanted/package.json" "$wanted/package-lock.json" "$folder/"
    # Scripts of packages are not run: nothing here needs any.
    (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) >&2 || fail "could not make $folder"
    cp "$wanted/package-lock.json" "$folder/installed.json"
    printf '%s\n' "$folder"
}

# ---- the service ----

service_pid=
service_log=

# The settings of whoever calls must not leak into a service that starts as for a new user.
forget_service_settings() {
    local name
    for name in $(compgen -v FASHIONISTAR_AUTH_); do unset "$name"; done
}

# A folder of the script's own, and servers for tests unless the calling shell has some; both go when the script ends.
begin_with_servers() {
    work_dir="$(mktemp -d)"
    own_servers=
    trap leave_servers EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    forget_service_settings
    if [[ -z ${TEST_SERVERS_DIR:-} ]]; then
        local server_variables
        # In two steps: `eval` alone would hide a failure.
        server_variables="$("$project_root/deploy/servers.sh" up)"
        eval "$server_variables"
        own_servers=yes
    fi
}

leave_servers() {
    local status=$?
    trap '' INT TERM
    [[ -z $own_servers ]] || "$project_root/deploy/servers.sh" down || true
    rm -rf -- "$work_dir"
    exit "$status"
}

# start_service FOLDER PORT [NAME=VALUE…]: starts the release binary in FOLDER and waits until it is ready.
start_service() {
    local folder="$1" port="$2"
    shift 2
    [[ -x $service_binary ]] || fail "there is no $service_binary: cargo build --release first"
    service_log="$folder/service.log"
    (
        cd "$folder" || exit
        exec env FASHIONISTAR_AUTH__DATA_DIR="$folder/data" "$@" "$service_binary" </dev/null >"$service_log" 2>&1
    ) &
    service_pid=$!
    if ! wait_for 30 service_settled "$port" || service_is_gone; then
        fail "the service did not become ready on port $port"
    fi
}

# Ready, or gone: nothing more to wait for either way.
service_settled() { service_is_gone || curl -fsS --noproxy '*' --max-time 2 "http://127.0.0.1:$1/health/ready"; }

service_is_gone() { ! kill -0 "$service_pid" 2>/dev/null; }

show_service_log() {
    [[ -r $service_log ]] || return 0
    say "---- the end of the service's log"
    tail -n 60 "$service_log" >&2
    say "----"
}

# Asks the service to end, as an operator would, and fails unless it ends with status 0 in time.
stop_service() {
    [[ -n $service_pid ]] || return 0
    local pid="$service_pid" status=0
    kill -TERM "$pid" 2>/dev/null || true
    wait_for 30 service_is_gone || kill -KILL "$pid" 2>/dev/null || true
    service_pid=
    wait "$pid" || status=$?
    if ((status != 0)); then
        show_service_log
        say "the service ended with status $status on SIGTERM"
        return 1
    fi
}

# For the end of a script that did not come to stop_service: shows what the service said, and stops it.
abandon_service() {
    [[ -n $service_pid ]] || return 0
    show_service_log
    service_log=
    stop_service || true
}
