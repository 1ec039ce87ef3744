#!/usr/bin/env bash
# Tells nginx which nodes take requests: asks each for /health/ready twice a second, writes the list that
# deploy/nginx.conf includes, and has nginx read it again when it changed. Run it beside nginx, as root.
#
#   deploy/nginx-watch.sh 10.0.0.11:8080 10.0.0.12:8080
#
# A node is out after one answer other than 200 and back after two of 200. When none takes requests all stay in use:
# they answer 503 themselves, with Retry-After, and serve what they can.
#
# NODES_FILE (/etc/nginx/fashionistar-auth.nodes) and RELOAD ("nginx -s reload") can be set. With --once it asks once,
# writes the list, and ends: before the first start of nginx.
set -euo pipefail

file="${NODES_FILE:-/etc/nginx/fashionistar-auth.nodes}"
read -ra reload <<<"${RELOAD:-nginx -s reload}"
once=
if [[ ${1:-} == --once ]]; then
    once=yes
    shift
fi
(($# > 0)) || {
    echo "usage: ${0##*/} [--once] ADDRESS:PORT…" >&2
    exit 2
}

ready() { curl --fail --silent --noproxy '*' --max-time 1 --output /dev/null "http://$1/health/ready"; }

# How often in a row each was ready; 2 and more is in use.
declare -A streak
look() {
    local node
    for node in "$@"; do
        if ready "$node"; then
            streak[$node]=$((${streak[$node]:-2} + 1))
        else
            streak[$node]=0
        fi
    done
}

list() {
    local node in_use=0
    for node in "$@"; do ((streak[$node] < 2)) || in_use=$((in_use + 1)); done
    for node in "$@"; do
        if ((in_use == 0 || streak[$node] >= 2)); then
            printf 'server %s max_fails=0;\n' "$node"
        else
            printf 'server %s down;\n' "$node"
        fi
    done
}

while true; do
    look "$@"
    wanted="$(list "$@")"
    if [[ ! -e $file || $wanted != "$(<"$file")" ]]; then
        printf '%s\n' "$wanted" >"$file.new"
        mv -- "$file.new" "$file"
        printf '%s\n' "$wanted" | sed 's/^/in use: /' >&2
        [[ -n $once ]] || "${reload[@]}"
    fi
    [[ -z $once ]] || break
    sleep 0.5
done
