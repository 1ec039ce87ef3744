#!/usr/bin/env bash
# Tells nginx which nodes take requests: asks each for /health/ready twice a second, and makes a file for each that
# does not answer 200, which deploy/nginx.conf looks for. Run it beside nginx (deploy/nginx-watch.service).
#
#   deploy/nginx-watch.sh 10.0.0.11:8080 10.0.0.12:8080      in the order of nginx.conf
#
# A node is out after one answer other than 200, and in again after two of 200. When none takes requests all are in:
# they answer 503 themselves, with Retry-After, and serve what they can.
# NODES_DIR is the folder of the files, /run/fashionistar-auth-nodes if nothing else is said.
set -euo pipefail

folder="${NODES_DIR:-/run/fashionistar-auth-nodes}"
nodes=("$@")
((${#nodes[@]} > 0)) || {
    echo "usage: ${0##*/} ADDRESS:PORT…" >&2
    exit 2
}
(umask 022 && mkdir -p -- "$folder")
# Whoever stops watching leaves no node out.
trap 'rm -f -- "$folder"/*.out' EXIT
trap 'exit 0' INT TERM

ready() { curl --fail --silent --noproxy '*' --max-time 1 --output /dev/null "http://$1/health/ready"; }

# How often in a row each was ready; 2 and more is in use.
streak=()
for number in "${!nodes[@]}"; do streak[number]=2; done
rm -f -- "$folder"/*.out
while true; do
    in_use=0
    for number in "${!nodes[@]}"; do
        if ready "${nodes[number]}"; then
            streak[number]=$((streak[number] + 1))
        else
            streak[number]=0
        fi
        ((streak[number] < 2)) || in_use=$((in_use + 1))
    done
    for number in "${!nodes[@]}"; do
        file="$folder/$((number + 1)).out"
        if ((in_use > 0 && streak[number] < 2)); then
            [[ -e $file ]] || echo "out: ${nodes[number]}" >&2
            : >"$file"
        elif [[ -e $file ]]; then
            echo "in: ${nodes[number]}" >&2
            rm -f -- "$file"
        fi
    done
    # Half a second; a signal is heard meanwhile.
    sleep 0.5 &
    wait $!
done
