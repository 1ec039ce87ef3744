#!/usr/bin/env bash
# Imports people with the release binary, on SQLite and on PostgreSQL, twice each, and prints how long it took.
#
#   eval "$(deploy/servers.sh up)"
#   deploy/import-bench.sh [PEOPLE]     100,000 when nothing is said
#
# Ends with status 1 if somebody was refused, if the second run changed anything, or if a first run made fewer than
# 2,000 accounts a second.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

people="${1:-100000}"
least=2000
[[ $people =~ ^[1-9][0-9]*$ ]] || fail "how many people? $people is no number"
[[ -x $service_binary ]] || fail "there is no $service_binary: cargo build --release first"
[[ -n ${TEST_POSTGRES_URL:-} ]] || fail "TEST_POSTGRES_URL is not set: eval \"\$(deploy/servers.sh up)\""
psql=("$(postgres_bin_dir)/psql" --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1)

folder="$(mktemp -d)"
database="import_bench_$$"
trap 'rm -rf -- "$folder"; "${psql[@]}" "$TEST_POSTGRES_URL" -c "DROP DATABASE IF EXISTS $database" >/dev/null 2>&1 || true' EXIT
forget_service_settings

say "making $people people"
python3 - "$people" >"$folder/users.ndjson" <<'PYTHON'
import base64
import json
import random
import sys

# As long as a hash that Django makes, and as good as one to whoever does not sign in.
random.seed(7)
for number in range(1, int(sys.argv[1]) + 1):
    digest = base64.b64encode(random.randbytes(32)).decode()
    salt = "".join(random.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=22))
    person = {
        "id": number,
        "email": f"person.{number}@example.com",
        "password": f"pbkdf2_sha256$1000000${salt}${digest}",
        "role": "vendor" if number % 20 == 0 else "client",
        "is_verified": True,
        "is_active": number % 100 != 0,
        "is_staff": False,
        "is_superuser": False,
        "first_name": random.choice(["Ada", "Chinwe", "Émile", "Ngozi", "Tunde"]),
        "last_name": f"Okonkwo-{number}",
        "country": random.choice(["NG", "GH", "CI", "FR"]),
        "language": random.choice(["en", "fr"]),
        "date_joined": f"20{random.randint(18, 25)}-0{random.randint(1, 9)}-{random.randint(10, 28)}T08:09:10.123456+00:00",
        "last_login": "2026-01-02T03:04:05+00:00",
        "balance_minor": random.randint(0, 100_000),
        "currency": "NGN",
    }
    print(json.dumps(person, ensure_ascii=False))
PYTHON

# state_of STORE: something else each time a row is written, whoever writes it.
state_of() {
    local table
    if [[ $1 == sqlite ]]; then
        sha256sum <"$folder/sqlite/fashionistar-auth.sqlite"
        return
    fi
    for table in accounts account_keys identifier_index profiles wallets password_credentials imported_users outbox_events; do
        "${psql[@]}" "$url" -c "SELECT '$table', count(*), md5(string_agg(t.xmin::text || t::text, '' ORDER BY t::text)) FROM $table t"
    done
    "${psql[@]}" "$url" -c "SELECT 'audit_entries', count(*) FROM audit_entries"
}

# run STORE: imports twice and tells.
run() {
    local name="$1" before rate status=0
    say "---- $name"
    "$service_binary" migrate up >/dev/null
    "$service_binary" users import "$folder/users.ndjson" --mapping "$folder/mapping.ndjson" | tee "$folder/first.txt"
    before="$(state_of "$name")"
    "$service_binary" users import "$folder/users.ndjson" | tee "$folder/second.txt"
    grep -qx "already there: $people" "$folder/second.txt" || { say "the second run found others"; status=1; }
    [[ "$(state_of "$name")" == "$before" ]] || { say "the second run changed something"; status=1; }
    rate="$(sed -n 's/^seconds: .*, lines a second: //p' "$folder/first.txt")"
    ((rate >= least)) || { say "$name: $rate a second, fewer than $least"; status=1; }
    return "$status"
}

export FASHIONISTAR_AUTH__TELEMETRY__LOG=warn
failed=0
export FASHIONISTAR_AUTH__DATA_DIR="$folder/sqlite"
run sqlite || failed=1
"${psql[@]}" "$TEST_POSTGRES_URL" -c "CREATE DATABASE $database"
url="${TEST_POSTGRES_URL%/*}/$database"
export FASHIONISTAR_AUTH__DATA_DIR="$folder/postgres" FASHIONISTAR_AUTH__DATABASE__URL="$url"
run postgres || failed=1
exit "$failed"
