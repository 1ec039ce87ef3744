#!/usr/bin/env bash
# Makes the secrets of deploy/compose.yaml in deploy/secrets, each readable by the user of its container alone.
# Run as root (files of other users are made); what is there already stays as it is.
#
#   sudo SMTP_PASSWORD=… deploy/make-secrets.sh [COMMAND that runs fashionistar-auth]
#
# SMTP_PASSWORD is that of the mail server; without it, write it into secrets/smtp_password later, before the first start.
#
# Keep a copy of ring/keys.json away from the database's backups: without it nobody can read them, with it everybody can.
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
    local new="$folder/$2.new"
    cat > "$new"
    chmod 400 "$new"
    mv -- "$new" "$folder/$2"
    owned "$1" "$2"
    echo "made $folder/$2"
}
lacks() { [[ ! -e $folder/$1 ]]; }

# How a password stands in a file, for sed.
readonly whole='^(.*)$' in_url='^[a-z]+://[^:]*:([^@]*)@.*$' in_redis_conf='^requirepass (.*)$'

# password_in NAME HOW [NAME HOW]: that of the first of these files that is there; a new one if none is.
password_in() {
    while (($# > 0)); do
        if ! lacks "$1"; then
            sed -nE "s#$2#\\1#p" -- "$folder/$1"
            return
        fi
        shift 2
    done
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

# role NAME URL ROLE: the password of a role for PostgreSQL, and the URL with it for the service.
role() {
    local secret
    secret="$(password_in "$1" "$whole" "$2" "$in_url")"
    if lacks "$1"; then printf '%s' "$secret" | put "$store" "$1"; fi
    if lacks "$2"; then printf 'postgres://%s:%s@postgres/auth' "$3" "$secret" | put "$auth" "$2"; fi
}

mkdir -p -- "$folder" "$folder/ring"
chmod 711 "$folder"
# The folder itself is mounted: `keys rotate` puts another file in the place of the one before.
chmod 700 "$folder/ring"
owned "$auth" ring

if lacks postgres_password; then password_in | put "$store" postgres_password; fi
role owner_password owner_url auth_owner
role service_password database_url auth
secret="$(password_in redis.conf "$in_redis_conf" redis_url "$in_url")"
if lacks redis.conf; then
    printf '%s\n' "requirepass $secret" 'maxmemory 256mb' 'maxmemory-policy noeviction' 'save ""' 'appendonly no' |
        put "$store" redis.conf
fi
if lacks redis_url; then printf 'redis://:%s@redis' "$secret" | put "$auth" redis_url; fi
if lacks ring/keys.json; then
    ring="$("${service[@]}" keys generate)"
    printf '%s\n' "$ring" | put "$auth" ring/keys.json
fi
if lacks smtp_password && [[ -n ${SMTP_PASSWORD:-} ]]; then printf '%s' "$SMTP_PASSWORD" | put "$auth" smtp_password; fi
if lacks smtp_password; then echo "still to be made: $folder/smtp_password, of user $auth, mode 400" >&2; fi
