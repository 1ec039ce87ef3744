#!/usr/bin/env bash
# The PostgreSQL and the Redis (one server with a sentinel, and a Cluster of three) that the tests run against: thrown
# away afterwards, apart from any that serve this machine.
# Also the browser that they drive: it is started by the test that needs it.
#
#   deploy/servers.sh install      installs what is missing (Debian, Ubuntu)
#   deploy/servers.sh install faults   also what faults.sh and upgrade.sh put before and under the nodes
#   eval "$(deploy/servers.sh up)" starts them on free ports of loopback, makes the Python environment and the
#                                  folder of Node packages that some tests need, and sets the TEST_… variables
#   deploy/servers.sh env          prints those variables again (needs TEST_SERVERS_DIR)
#   deploy/servers.sh down         stops them and removes their data (needs TEST_SERVERS_DIR)
#
# Several pairs can run side by side. Nothing outlives a crash of the machine: PostgreSQL does not fsync here.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

usage() {
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

# ---- install ----

redis_is_new_enough() {
    command -v redis-server >/dev/null && command -v redis-cli >/dev/null || return 1
    local version major minor
    version="$(redis-server --version)"
    [[ $version =~ v=([0-9]+)\.([0-9]+) ]] || return 1
    major="${BASH_REMATCH[1]}" minor="${BASH_REMATCH[2]}"
    ((major > 6 || (major == 6 && minor >= 2)))
}

install_servers() {
    local missing=()
    postgres_bin_dir >/dev/null || missing+=(postgresql)
    redis_is_new_enough || missing+=(redis-server)
    browser >/dev/null || missing+=(chromium)
    browser_driver >/dev/null || missing+=(chromium-driver)
    node_is_new_enough || missing+=(nodejs npm)
    authenticator >/dev/null || missing+=(oathtool)
    pooler >/dev/null || missing+=(pgbouncer)
    another_time >/dev/null || missing+=(libfaketime)
    # What the runbooks call.
    command -v sqlite3 >/dev/null || missing+=(sqlite3)
    command -v ss >/dev/null || missing+=(iproute2)
    if ((${#missing[@]} == 0)); then
        say "PostgreSQL, PgBouncer, Redis, Chromium, Node, oathtool, libfaketime, sqlite3 and ss are there: nothing to install"
        return
    fi
    if ! on_debian; then
        say "The tests need these, and this is not Debian or Ubuntu. Please install:"
        say "  - PostgreSQL 14 or newer, the server: postgres, initdb, pg_ctl, pg_isready, psql on the PATH"
        say "  - Redis 6.2 or newer: redis-server, redis-cli on the PATH"
        say "  - Chromium or Chrome 129 or newer, with the chromedriver of the same version, on the PATH"
        say "  - Node 18 or newer: node, npm on the PATH"
        say "  - oathtool (OATH Toolkit), sqlite3 and ss (iproute2) on the PATH"
        say "  - PgBouncer 1.18 or newer: pgbouncer on the PATH or in /usr/sbin"
        say "  - libfaketime: libfaketime.so.1 in /usr/lib/*/faketime"
        exit 1
    fi
    # The packages start services of their own on the usual ports. The tests never touch those.
    install_packages "${missing[@]}"
    postgres_bin_dir >/dev/null || fail "the system's PostgreSQL is older than 14: install a newer one"
    redis_is_new_enough || fail "the system's Redis is older than 6.2: install a newer one"
    browser >/dev/null || fail "the system's package of Chromium brings no program chromium: install one that does"
    browser_driver >/dev/null || fail "the system's package of chromedriver brings no program chromedriver"
    node_is_new_enough || fail "the system's Node is older than 18: install a newer one"
    authenticator >/dev/null || fail "the system's package of oathtool brings no program oathtool"
    pooler >/dev/null || fail "the system's package of PgBouncer brings no program pgbouncer"
    another_time >/dev/null || fail "the system's package of libfaketime brings no libfaketime.so.1"
}

# haproxy and nginx before the nodes, PgBouncer and Sentinel under them.
install_for_faults() {
    local program missing=()
    for program in haproxy nginx pgbouncer redis-sentinel; do
        [[ -x $(PATH=$PATH:/usr/sbin command -v "$program") ]] || missing+=("$program")
    done
    ((${#missing[@]} > 0)) || return 0
    on_debian || fail "needs ${missing[*]}: install them, and see that none serves by itself"
    install_packages "${missing[@]}"
}

# Print the programs; fail when there are none.
browser() { command -v chromium || command -v google-chrome; }
browser_driver() { command -v chromedriver; }
authenticator() { command -v oathtool; }
# The library, for programs that are to have another time of day.
another_time() { compgen -G '/usr/lib/*/faketime/libfaketime.so.1'; }
# Debian keeps it where only root looks.
pooler() { command -v pgbouncer || { [[ -x /usr/sbin/pgbouncer ]] && printf '%s\n' /usr/sbin/pgbouncer; }; }

# ---- up ----

servers_dir=

# PostgreSQL refuses to run as root.
as_postgres=(env LC_ALL=C)
((EUID != 0)) || as_postgres=(runuser -u postgres -- env LC_ALL=C)

make_servers_dir() {
    local parent="${TMPDIR:-/tmp}"
    if ((EUID == 0)); then
        id postgres >/dev/null 2>&1 || fail "we are root, and there is no user postgres to run PostgreSQL as"
        if ! "${as_postgres[@]}" test -x "$parent"; then
            say "the user postgres cannot enter $parent: using /tmp"
            parent=/tmp
        fi
    fi
    servers_dir="$(mktemp -d "$parent/fashionistar-auth-servers.XXXXXXXX")"
    # Others may pass through to their own folder, and list nothing.
    chmod 711 "$servers_dir"
    mkdir -m 700 "$servers_dir"/{postgres,redis,redis_sentinel,redis_cluster_{1,2,3}}
    ((EUID != 0)) || chown postgres "$servers_dir/postgres"
}

start_postgres() {
    local bin data="$servers_dir/postgres/data" log="$servers_dir/postgres/log" port
    bin="$(postgres_bin_dir)" || fail "no PostgreSQL 14 or newer here: deploy/servers.sh install"
    say "starting $("$bin/postgres" --version)"
    "${as_postgres[@]}" "$bin/initdb" --pgdata="$data" --username=postgres --auth=trust \
        --encoding=UTF8 --locale=C --no-sync >"$servers_dir/initdb.log" 2>&1 || {
        cat "$servers_dir/initdb.log" >&2
        fail "initdb failed"
    }
    # synchronous_commit stays as it is: what the code sees must be what it sees in production.
    cat >>"$data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 500
fsync = off
timezone = 'UTC'
CONF
    for _ in {1..5}; do
        port="$(free_port)"
        if "${as_postgres[@]}" "$bin/pg_ctl" --pgdata="$data" --log="$log" --options="-p $port" \
            --wait --timeout=60 start </dev/null >"$servers_dir/pg_ctl.log" 2>&1 &&
            wait_for 30 "$bin/pg_isready" --quiet --host=127.0.0.1 --port="$port" --username=postgres; then
            remember postgres "$(head -n 1 "$data/postmaster.pid")" "$port"
            return
        fi
        grep -q 'Address already in use' "$log" || break
    done
    cat "$servers_dir/pg_ctl.log" "$log" >&2 || true
    fail "PostgreSQL did not start"
}

# A server with a name, which is that of its folder, and lines of settings.
start_redis() {
    local name="$1" settings="$2" folder="$servers_dir/$1" port pid
    redis_is_new_enough || fail "no Redis 6.2 or newer here: deploy/servers.sh install"
    for _ in {1..5}; do
        port="$(free_port)"
        # A node of a Cluster has a second port, this far from the first.
        while [[ $settings == *cluster-enabled* ]] && ((port > 55535)); do port="$(free_port)"; done
        cat >"$folder/redis.conf" <<CONF
bind 127.0.0.1
port $port
daemonize yes
pidfile "$folder/pid"
logfile "$folder/log"
dir "$folder"
$settings
CONF
        rm -f "$folder/pid"
        local arguments=("$folder/redis.conf")
        [[ $settings != *sentinel* ]] || arguments+=(--sentinel)
        redis-server "${arguments[@]}" </dev/null >>"$folder/log" 2>&1 || break
        if wait_for 15 redis_settled "$folder" "$port" && pid="$(cat "$folder/pid" 2>/dev/null)" &&
            redis_answers "$port" "$pid"; then
            remember "$name" "$pid" "$port"
            return
        fi
        grep -q 'Address already in use' "$folder/log" || break
    done
    cat "$folder/log" >&2 || true
    fail "Redis ($name) did not start"
}

start_redises() {
    local in_memory=$'save ""\nappendonly no' number nodes=()
    say "starting $(redis-server --version)"
    start_redis redis "$in_memory"$'\ndatabases 1'
    # It has no replica to promote, and the patience of a busy machine.
    start_redis redis_sentinel "sentinel monitor tests 127.0.0.1 $(port_of redis) 1
sentinel down-after-milliseconds tests 60000"
    for number in 1 2 3; do
        start_redis "redis_cluster_$number" "$in_memory"$'\ncluster-enabled yes'
        nodes+=("127.0.0.1:$(port_of "redis_cluster_$number")")
    done
    redis-cli --cluster create "${nodes[@]}" --cluster-yes >"$servers_dir/cluster.log" 2>&1 || {
        cat "$servers_dir/cluster.log" >&2
        fail "the Redis Cluster was not made"
    }
}

port_of() { awk -v name="$1" '$1 == name { print $3 }' "$servers_dir/state"; }

# The pid too: another server may have taken the port between the choice and the start.
redis_answers() {
    [[ "$(redis-cli -h 127.0.0.1 -p "$1" ping 2>/dev/null)" == PONG ]] &&
        redis-cli -h 127.0.0.1 -p "$1" info server 2>/dev/null | tr -d '\r' | grep -qx "process_id:$2"
}

# Serving, or given up.
redis_settled() {
    grep -q 'Address already in use' "$1/log" || { [[ -s $1/pid ]] && redis_answers "$2" "$(cat "$1/pid")"; }
}

# One line a server: name, process, port.
remember() { printf '%s %s %s\n' "$1" "$2" "$3" >>"$servers_dir/state"; }

up() {
    # `eval "$(deploy/servers.sh up)"` sees no exit status, so a failure is told in what is evaluated.
    trap 'give_up' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    make_servers_dir
    start_postgres
    start_redises
    print_env
    trap - EXIT
}

give_up() {
    trap '' INT TERM
    [[ -z $servers_dir ]] || down
    echo false
}

# ---- env, down ----

find_servers_dir() {
    servers_dir="${TEST_SERVERS_DIR:-}"
    [[ -n $servers_dir ]] || fail "TEST_SERVERS_DIR is not set: nothing of ours runs from this shell"
    [[ $servers_dir == */fashionistar-auth-servers.* && -d $servers_dir ]] || fail "$servers_dir is no folder of ours"
}

print_env() {
    local name pid port venv node
    # By themselves: as arguments of printf their failures would go unseen.
    venv="$(ensure_test_venv)"
    node="$(ensure_test_node)"
    while read -r name pid port; do
        case "$name" in
            postgres) printf 'export TEST_POSTGRES_URL=postgres://postgres@127.0.0.1:%s/postgres\n' "$port" ;;
            redis) printf 'export TEST_REDIS_URL=redis://127.0.0.1:%s/0\n' "$port" ;;
            redis_sentinel) printf 'export TEST_REDIS_SENTINEL_URL=redis://127.0.0.1:%s\n' "$port" ;;
            redis_cluster_1) printf 'export TEST_REDIS_CLUSTER_URL=redis://127.0.0.1:%s/0\n' "$port" ;;
        esac
    done <"$servers_dir/state"
    printf 'export TEST_PYTHON=%q\n' "$venv/bin/python"
    # Who has none is told by the test that needs it.
    printf 'export TEST_BROWSER=%q TEST_BROWSER_DRIVER=%q\n' "$(browser || true)" "$(browser_driver || true)"
    printf 'export TEST_OATHTOOL=%q\n' "$(authenticator || true)"
    printf 'export TEST_NODE_MODULES=%q\n' "$node/node_modules"
    printf 'export TEST_SERVERS_DIR=%q\n' "$servers_dir"
}

down() {
    local pid
    for pid in $(pids_of_ours); do stop "$pid"; done
    rm -rf -- "$servers_dir"
    say "stopped the test servers and removed $servers_dir"
}

# Also those that a broken start left before they were written down.
pids_of_ours() {
    {
        [[ ! -r $servers_dir/state ]] || cut -d ' ' -f 2 "$servers_dir/state"
        head -qn 1 "$servers_dir/postgres/data/postmaster.pid" "$servers_dir"/redis*/pid 2>/dev/null || true
    } | grep -E '^[0-9]+$' | sort -u || true
}

# INT makes PostgreSQL end its sessions and stop, and Redis just stop.
stop() {
    local pid="$1"
    is_ours "$pid" || return 0
    kill -INT "$pid" 2>/dev/null || return 0
    wait_for 20 has_ended "$pid" && return 0
    say "process $pid does not stop: killing it"
    kill -QUIT "$pid" 2>/dev/null || true
    wait_for 5 has_ended "$pid" || kill -KILL "$pid" 2>/dev/null || true
    wait_for 5 has_ended "$pid" || say "process $pid is still there"
}

# Where nobody collects orphans (many containers), what has ended stays on as a zombie.
has_ended() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null; }

# A number in a file may belong to somebody else by now: ours work inside our folder.
is_ours() {
    if [[ -e /proc/$1/cwd ]]; then
        [[ "$(readlink "/proc/$1/cwd")" == "$servers_dir"/* ]]
    else
        ps -o args= -p "$1" | grep -Eq '(postgres|redis-server)'
    fi
}

case "${1:-}" in
    install)
        install_servers
        [[ ${2:-} != faults ]] || install_for_faults
        ;;
    up) up ;;
    env)
        find_servers_dir
        print_env
        ;;
    down)
        find_servers_dir
        down
        ;;
    *) usage ;;
esac
