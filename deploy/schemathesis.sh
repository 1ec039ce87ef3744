#!/usr/bin/env bash
# Fuzzes every operation of the OpenAPI document against the release binary and holds the answers against the document:
# no 5xx, and no status, content type or body that the document does not have.
# In development mode: once on the embedded store, once on PostgreSQL and Redis (TEST_POSTGRES_URL and TEST_REDIS_URL, or servers of its own).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

examples=30
seed=20260101
# Seconds, many times what a run takes: only a run that hangs is stopped.
time_limit=900

work_dir="$(mktemp -d)"
database=
own_servers=
cleanup() {
    local status=$?
    trap '' INT TERM
    abandon_service
    [[ -z $database ]] || drop_database || true
    [[ -z $own_servers ]] || "$project_root/deploy/servers.sh" down || true
    rm -rf -- "$work_dir"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

on_postgres() { "$(postgres_bin_dir)/psql" "$TEST_POSTGRES_URL" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --command="$1" >&2; }
drop_database() { on_postgres "drop database if exists $database with (force)"; }

# The URL of another database of the same server.
url_of_database() {
    local base="${TEST_POSTGRES_URL%%\?*}"
    printf '%s/%s%s\n' "${base%/*}" "$1" "${TEST_POSTGRES_URL#"$base"}"
}

# prepare_accounts ORIGIN: prints a schemathesis configuration in which every operation that asks for a bearer token has an
# account of its own. So no operation can end the session of another, or use up another's limit.
prepare_accounts() {
    python3 - "$1" <<'PY'
import json, secrets, sys, time, urllib.error, urllib.parse, urllib.request

origin = sys.argv[1]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(path, body=None):
    request = urllib.request.Request(origin + path)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with opener.open(request, timeout=15) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{path} answered {error.code}: {error.read().decode(errors='replace')}")


def code_for(email):
    """The code that the service mailed; a worker may still be about to send it."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        for item in call("/dev/mailbox?to=" + urllib.parse.quote(email))["items"]:
            if item.get("code"):
                return item["code"]
        time.sleep(0.05)
    sys.exit(f"no code for {email} in the mailbox")


document = call("/openapi.json")
bearer = {
    name
    for name, scheme in document.get("components", {}).get("securitySchemes", {}).items()
    if scheme.get("type") == "http" and scheme.get("scheme", "").lower() == "bearer"
}
methods = ("get", "put", "post", "delete", "patch", "head", "options", "trace", "query")
operations = [
    (method.upper(), path, operation.get("security", document.get("security", [])))
    for path, item in document["paths"].items()
    for method, operation in item.items()
    if method in methods
]
signed_in = [
    (method, path)
    for method, path, security in operations
    if any(name in bearer for requirement in security for name in requirement)
]
if not signed_in:
    sys.exit("no operation of /openapi.json asks for a bearer token: is the document whole?")

run = secrets.token_hex(4)
accounts = []
for number, (method, path) in enumerate(signed_in):
    email = f"fuzz-{run}-{number}@example.com"
    answer = call("/api/v1/auth/register", {"email": email, "password": secrets.token_urlsafe(24)})
    accounts.append((method, path, email, answer["data"]["challenge_id"]))
for method, path, email, challenge in accounts:
    answer = call("/api/v1/auth/verify-otp", {"challenge_id": challenge, "code": code_for(email)})
    token = answer["data"]["tokens"]["access_token"]
    print("[[operations]]")
    print("include-name =", json.dumps(f"{method} {path}"))
    print("headers = { Authorization =", json.dumps(f"Bearer {token}"), "}")
print(f"{len(operations)} operations, {len(accounts)} of them signed in, each with an account of its own", file=sys.stderr)
PY
}

# fuzz NAME [SETTING=VALUE…]: one service, one run.
fuzz() {
    local name="$1" folder="$work_dir/$1" port management status=0
    shift
    mkdir "$folder"
    port="$(free_port)"
    management="$(free_port)"
    say "schemathesis on the $name store"
    start_service "$folder" "$port" \
        FASHIONISTAR_AUTH__HTTP__LISTEN="127.0.0.1:$port" \
        FASHIONISTAR_AUTH__MANAGEMENT__LISTEN="127.0.0.1:$management" \
        FASHIONISTAR_AUTH__PROTECTION__EXEMPT_NETWORKS=127.0.0.0/8 \
        "$@"
    prepare_accounts "http://127.0.0.1:$port" >"$folder/schemathesis.toml"
    # A proxy that is not there: what tries to leave loopback fails at once.
    # No stateful phase: it would hand the ids of one operation's account to another's.
    # One worker: Python 3.11 compiles syntax trees in one thread at a time only (python/cpython issue 106905), and two
    # workers made schemathesis fail by chance.
    (
        cd "$folder"
        exec timeout --kill-after=10 "$time_limit" env \
            HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1 \
            http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 no_proxy=127.0.0.1 \
            "$venv/bin/python" "$venv/bin/schemathesis" --config-file schemathesis.toml run "http://127.0.0.1:$port/openapi.json" \
            --origin "http://127.0.0.1:$port" \
            --phases examples,coverage,fuzzing \
            --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
            --max-examples "$examples" --seed "$seed" --generation-database none \
            --generation-with-security-parameters false \
            --request-timeout 10 --workers 1 --continue-on-failure --no-color \
            --report-json-path report.json
    ) || status=$?
    ((status == 0)) || fail "$(what_went_wrong "$status" "$folder/report.json") on the $name store (status $status)"
    stop_service
}

# what_went_wrong STATUS REPORT: whether the service was at fault, or schemathesis itself.
# Both end it with the same status; its report tells them apart.
what_went_wrong() {
    if (($1 == 124 || $1 == 137)); then
        echo "schemathesis was stopped after $time_limit seconds, which says nothing of the service"
        return
    fi
    python3 - "$2" <<'PY'
import json, pathlib, sys

report = pathlib.Path(sys.argv[1])
try:
    run = json.loads(report.read_text())
except (OSError, ValueError):
    run = {"failures": [], "errors": [{"title": "no report"}]}
findings = [failure["title"] for failure in run["failures"]]
faults = [error["title"] for error in run["errors"]]
if findings:
    print("schemathesis found something:", "; ".join(findings), end="")
else:
    print("schemathesis itself failed and found nothing:", "; ".join(faults) or "for no reason that it names", end="")
PY
}

venv="$(ensure_test_venv)"
forget_service_settings
if [[ -z ${TEST_POSTGRES_URL:-} || -z ${TEST_REDIS_URL:-} ]]; then
    server_variables="$("$project_root/deploy/servers.sh" up)"
    eval "$server_variables"
    own_servers=yes
fi

fuzz embedded

database="schemathesis_${$}_$RANDOM"
on_postgres "create database $database"
fuzz servers \
    FASHIONISTAR_AUTH__DATABASE__URL="$(url_of_database "$database")" \
    FASHIONISTAR_AUTH__REDIS__URL="$TEST_REDIS_URL"
