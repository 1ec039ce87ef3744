# What one does all day. `just` lists it.

set positional-arguments

_default:
    @just --list --unsorted

# Runs the service with everything inside: SQLite, no Redis, a mailbox for messages.
run *args:
    cargo run --release -- "$@"

# Formats the code.
fmt:
    cargo fmt --all

# Formatting, lints and documentation, as CI sees them.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked

# The whole suite on throw-away servers; with arguments only those tests: just test -E 'test(refresh)'
test *args:
    ./deploy/test.sh "$@"

# What needs no server: the rules, the use cases, the adapters inside the process.
test-fast *args:
    cargo nextest run -p common -p authentication-domain -p authentication-app -p adapters-memory -p adapters-crypto "$@"

# Which lines the tests execute, by crate; --check fails below the shares that are asked for.
coverage *args:
    ./deploy/coverage.sh "$@"

# Brings the configured database to the newest schema.
migrate *args='up':
    cargo run -- migrate {{args}}

# Writes docs/openapi.json anew from the code.
openapi:
    cargo run --quiet -- openapi > docs/openapi.json.new
    mv docs/openapi.json.new docs/openapi.json

# Load on the release binary, with CPU time for each request; needs a quiet machine (docs/performance.md).
bench *args:
    ./deploy/bench/run.sh "$@"

# Whether the time of an answer tells who is known; needs a quiet machine (docs/performance.md).
bench-timing *args:
    ./deploy/bench/timing.sh "$@"

# Licences, sources, bans and advisories (needs cargo-deny, and the network for the advisories).
deny:
    cargo deny --all-features check

# The bill of materials of the release binary (CycloneDX).
sbom:
    python3 deploy/sbom.py

# What CI runs.
ci:
    ./.ci/run
