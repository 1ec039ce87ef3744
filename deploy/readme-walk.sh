#!/usr/bin/env bash
# Does what README.md tells a new user to do, and fails when that no longer works.
#
# Starts the release binary in an empty folder with no configuration, then runs the code blocks of README.md
# that open with "```bash walk", in order, as one script: what one block sets, the next can use.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

work_dir="$(mktemp -d)"
cleanup() {
    local status=$?
    trap '' INT TERM
    abandon_service
    rm -rf -- "$work_dir"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The blocks on the lines where README.md has them, so that what bash says of a line is true of README.md.
# The first line is the title there; here it prints each command before it runs.
walk="$work_dir/README.md"
awk '
    NR == 1                           { print "trap '\''printf \"README.md:%s $ %s\\n\" \"$LINENO\" \"$BASH_COMMAND\" >&2'\'' DEBUG"; next }
    !inside && /^```bash walk[ \t]*$/ { inside = 1; blocks++; print ""; next }
    inside && /^```[ \t]*$/           { inside = 0; print ""; next }
                                      { print inside ? $0 : "" }
    END {
        if (inside) { print "a block of README.md is never closed" > "/dev/stderr"; exit 1 }
        if (!blocks) { print "README.md has no block that opens with ```bash walk" > "/dev/stderr"; exit 1 }
    }
' "$project_root/README.md" >"$walk"

for port in 8080 9090; do
    ! port_is_taken "$port" || fail "port $port of 127.0.0.1 is taken: README.md uses the default ports, so stop what listens there"
done

forget_service_settings
# The README's commands name no proxy exceptions, and loopback must not go through one.
export NO_PROXY=127.0.0.1,localhost,::1 no_proxy=127.0.0.1,localhost,::1

mkdir "$work_dir/empty"
start_service "$work_dir/empty" 8080

(cd "$work_dir/empty" && bash -euo pipefail "$walk" </dev/null) 2>&1 ||
    fail "the walk through README.md stopped at the command above"

stop_service
say "README.md works as written"
