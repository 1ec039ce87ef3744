#!/usr/bin/env bash
# Makes the secrets of deploy/compose.yaml in deploy/secrets, each readable by the user of its container alone.
# Run as root (files of other users are made); what is there already stays as it is.
#
#   sudo deploy/make-secrets.sh [COMMAND that runs fashionistar-auth]
#
# Keep a copy of keys.json away from the database's backups: without it nobody can read them, with it everybody can.
set -euo pipefail
umask 077

here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
folder="${SECRETS_DIR:-$here/secrets}"
service=("$@")
((${#service[@]})) || service=(docker run --rm fashionistar-auth:latest)

# Users inside the images.
readonly auth=65532 store=999
owned() { [[ $(id -u) -ne 0 ]] || chown "$1:$1" "$folder/$2"; }

# put OWNER NAME: keeps standard input under that name, whole or not at all.
put() {
    local new="$folder/.$2.new"
    cat > "$new"
    chmod 400 "$new"
    mv -- "$new" "$folder/$2"
    owned "$1" "$2"
    echo "made $folder/$2"
}
lacks() { [[ ! -e $folder/$1 ]]; }
password() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

mkdir -p -- "$folder"
chmod 711 "$folder"
if lacks postgres_password || lacks database_url; then
    secret="$(password)"
    printf '%s' "$secret" | put "$store" postgres_password
    printf 'postgres://auth:%s@postgres/auth' "$secret" | put "$auth" database_url
fi
if lacks redis.conf || lacks redis_url; then
    secret="$(password)"
    printf '%s\n' "requirepass $secret" 'maxmemory 256mb' 'maxmemory-policy noeviction' 'save ""' 'appendonly no' |
        put "$store" redis.conf
    printf 'redis://:%s@redis' "$secret" | put "$auth" redis_url
fi
if lacks keys.json; then
    ring="$("${service[@]}" keys generate)"
    printf '%s\n' "$ring" | put "$auth" keys.json
fi
