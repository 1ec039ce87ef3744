#!/usr/bin/env bash
# Does what docs/deployment.md tells an operator to do for a first start under systemd, word by word: the blocks of that
# page that open with "```sh walk", in order, as one script, as root.
#
#   deploy/first-start.sh [--binary FILE] [--away SECONDS]
#
# /etc, /usr/local/bin and /var/lib are copies in a mount namespace, so nothing of this machine changes; systemctl and
# systemd-run are deploy/systemd_double.py. Then PostgreSQL is away when the service starts, until it gave up twice and
# for SECONDS more, and the service has to come up by itself; and keys are changed as the page says. Needs root, and a
# kernel that lets it make a mount namespace.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

away=0
while (($# > 0)); do
    case "$1" in
        --binary) service_binary="$(realpath -- "${2:?a file}")" ;;
        --away) away="${2:?seconds}" ;;
        *) fail "there is no option $1" ;;
    esac
    shift 2
done
[[ -x $service_binary ]] || fail "there is no $service_binary: cargo build --release first"
if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "needs root: it makes users and files in copies of /etc and /var/lib"
    exec sudo --preserve-env -- "${BASH_SOURCE[0]}" --binary "$service_binary" --away "$away"
fi
if [[ -z ${FIRST_START_INSIDE:-} ]]; then
    begin_with_servers
    FIRST_START_INSIDE="$work_dir" unshare --mount --propagation private -- "${BASH_SOURCE[0]}" \
        --binary "$service_binary" --away "$away"
    exit
fi

# ---- inside ----

work_dir="$FIRST_START_INSIDE"
chmod 755 "$work_dir"
mkdir "$work_dir"/{etc,bin,lib,double,programs,run}
cp -a /etc/. "$work_dir/etc"
mount --bind "$work_dir/etc" /etc
mount --bind "$work_dir/bin" /usr/local/bin
# What the distribution has there is not of interest here.
mount --bind "$work_dir/lib" /var/lib
mkdir /var/lib/redis
rm -rf /etc/fashionistar-auth
sed -i '/^fashionistar-auth:/d' /etc/passwd /etc/shadow /etc/group /etc/gshadow

for port in 8080 9090; do
    ! port_is_taken "$port" || fail "port $port of 127.0.0.1 is taken: the page uses the default ports"
done
for program in systemctl systemd-run; do ln -s "$project_root/deploy/systemd_double.py" "$work_dir/programs/$program"; done

# The servers of servers.sh stand for those of the distribution.
[[ $TEST_POSTGRES_URL =~ ^postgres://postgres@([^:]+):([0-9]+)/ ]]
export PGHOST="${BASH_REMATCH[1]}" PGPORT="${BASH_REMATCH[2]}" PGUSER=postgres
redis_port="$(free_port)"
[[ -e /etc/redis/redis.conf ]] || install -D /dev/null /etc/redis/redis.conf
cat >"$work_dir/programs/hook" <<HOOK
#!/usr/bin/env bash
[[ \$2 == redis-server ]] || exit 0
redis-server /etc/redis/redis.conf --port $redis_port --bind 127.0.0.1 --daemonize yes --supervised no \
    --dir "$work_dir/run" --logfile "$work_dir/run/redis.log" --pidfile "$work_dir/run/redis.pid" >/dev/null
for _ in {1..100}; do [[ \$(redis-cli -p $redis_port ping 2>&1) == *NOAUTH* ]] && exit; sleep 0.1; done
exit 1
HOOK
chmod +x "$work_dir/programs/hook"
export DOUBLE_DIR="$work_dir/double" DOUBLE_HOOK="$work_dir/programs/hook"
bin="$(postgres_bin_dir)"
export PATH="$work_dir/programs:/usr/local/bin:$bin:$PATH"

forget_database() {
    psql -Xq -v ON_ERROR_STOP=1 -c 'set client_min_messages = error' -c 'drop database if exists auth with (force)' \
        -c 'drop role if exists auth' -c 'drop role if exists auth_owner' postgres
}
finish() {
    local status=$?
    trap '' INT TERM
    systemctl stop fashionistar-auth || true
    [[ ! -s $work_dir/run/redis.pid ]] || kill "$(<"$work_dir/run/redis.pid")" || true
    pg_ctl_as_owner start >/dev/null 2>&1 || true
    forget_database || true
    if ((status != 0)); then
        say "---- what the service said last"
        tail -n 20 "$work_dir/double/"*.log >&2 || true
    fi
    exit "$status"
}
pg_ctl_as_owner() {
    # Whoever started it.
    runuser -u "$(stat -c %U "$TEST_SERVERS_DIR/postgres/data")" -- \
        "$bin/pg_ctl" --pgdata="$TEST_SERVERS_DIR/postgres/data" --wait "$@" \
        --options="-p $PGPORT" --log="$TEST_SERVERS_DIR/postgres/log" </dev/null
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
forget_database

mkdir -p "$work_dir/checkout/target/release"
ln -s "$project_root/deploy" "$work_dir/checkout/deploy"
ln -s "$service_binary" "$work_dir/checkout/target/release/fashionistar-auth"
export postgres="$PGHOST:$PGPORT" redis="127.0.0.1:$redis_port"

page=docs/deployment.md
walk="$work_dir/walk"
awk -v page="$page" '
    NR == 1                         { print "trap '\''printf \"" page ":%s $ %s\\n\" \"$LINENO\" \"$BASH_COMMAND\" >&2'\'' DEBUG"; next }
    !inside && /^```sh walk[ \t]*$/ { inside = 1; blocks++; print ""; next }
    inside && /^```[ \t]*$/         { inside = 0; print ""; next }
                                    { print inside ? $0 : "" }
    END { if (inside || blocks < 4) { print page " has no walk" > "/dev/stderr"; exit 1 } }
' "$project_root/$page" >"$walk"
export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
(cd "$work_dir/checkout" && bash -euo pipefail "$walk" </dev/null) 2>&1 || fail "$page stopped at the command above"

systemd-analyze verify /etc/systemd/system/fashionistar-auth.service 2>&1 || fail "the unit is wrong"

registered="$(curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/api/v1/auth/register \
    -H 'Content-Type: application/json' -d '{"email": "first@example.com", "password": "marigold-Anchor-58-saxophone"}')"
[[ $registered == 202 ]] || fail "somebody registers and gets $registered"

# As the page says for commands. The ring is replaced by the user of the service.
systemd-run --pipe --wait -p User=fashionistar-auth -p EnvironmentFile=/etc/fashionistar-auth/env \
    /usr/local/bin/fashionistar-auth keys rotate signing || fail "keys cannot be changed as the page says"

say "PostgreSQL is away when the service starts"
systemctl stop fashionistar-auth
pg_ctl_as_owner --mode=immediate stop >/dev/null
# It has been away for minutes, for whoever counts starts.
DOUBLE_STARTS=50 systemctl start fashionistar-auth
gave_up_twice() { (($(grep -c 'main process ended with 1' "$work_dir/double/fashionistar-auth.log") >= 2)); }
wait_for 60 gave_up_twice || fail "the service does not start again"
sleep "$away"
pg_ctl_as_owner start >/dev/null
began=$SECONDS
wait_for 60 curl -fsS http://127.0.0.1:9090/health/ready || fail "the service did not come up by itself"
say "PostgreSQL was away for $(grep -c 'main process ended with 1' "$work_dir/double/fashionistar-auth.log") starts; ready $((SECONDS - began)) s after it was back"
say "$page works as written"
