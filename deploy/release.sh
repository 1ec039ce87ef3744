#!/usr/bin/env bash
# Makes a release of what is checked out: one version, a section of CHANGELOG.md, a tag and a bill of materials.
#
#   deploy/release.sh 0.2.0
#
# It writes the version into Cargo.toml, Cargo.lock and docs/openapi.json, gives the section "Unreleased" of
# CHANGELOG.md that version and today's date, commits this, and tags the commit v0.2.0.
# Nothing is pushed. The bill of materials is written beside the binary, to be published with it.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
cd "$project_root"

(($# == 1)) || fail "say which version, such as 0.2.0"
version="$1"
[[ $version =~ ^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$ ]] || fail "$version is no version of Semantic Versioning"
[[ -z $(git status --porcelain) ]] || fail "the checkout has changes that are not committed"
! git rev-parse --quiet --verify "refs/tags/v$version" >/dev/null || fail "v$version is tagged already"
before="$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)"
newest="$(printf '%s\n%s\n' "$before" "$version" | sort --version-sort | tail -n 1)"
[[ $version == "$newest" && $version != "$before" ]] || fail "$version does not come after $before"
awk '/^## \[Unreleased\]$/ { inside = 1; next } /^## / { inside = 0 } inside && /^- / { found = 1 } END { exit !found }' \
    CHANGELOG.md || fail "CHANGELOG.md has nothing under Unreleased"

sed -i "0,/^version = \"$before\"$/s//version = \"$version\"/" Cargo.toml
sed -i "0,/^## \[Unreleased\]$/s//## [Unreleased]\n\n## [$version] - $(date --utc +%F)/" CHANGELOG.md
cargo build --release
"$service_binary" openapi >docs/openapi.json
python3 deploy/sbom.py >"$target_dir/fashionistar-auth-$version.cdx.json"
git commit --quiet --message "Release $version" Cargo.toml Cargo.lock CHANGELOG.md docs/openapi.json
git tag --annotate --message "fashionistar-auth $version" "v$version"
say "tagged v$version; publish $service_binary and $target_dir/fashionistar-auth-$version.cdx.json with it"
