//! Nothing personal and no secret is kept in clear: every flow of the API is run with values that are nowhere
//! else, and whatever the service leaves behind is searched for them.

mod abuse;
mod factors;
mod flows;
mod passkeys;
pub(crate) mod places;
mod run;
mod secrets;

use std::{fs, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;
use testkit::{Engine, LogCapture};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::format::FmtSpan,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use self::{
    places::{DatabaseFiles, Place, collect_files, file, redis_cli, tables},
    run::Run,
    secrets::{Finding, Scanner, hex_of},
};

/// Everything that this process logs. A process can set that up once, and may run more than one of our tests.
static LOGS: LazyLock<LogCapture> = LazyLock::new(|| {
    const OURS: [&str; 12] = [
        "adapters_crypto",
        "adapters_memory",
        "adapters_messaging",
        "adapters_redis",
        "api",
        "api_http",
        "authentication_app",
        "authentication_domain",
        "common",
        "identity_adapters_postgres",
        "migration",
        "server",
    ];
    let capture = LogCapture::default();
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
        .with_writer(capture.clone());
    let levels = Targets::new()
        .with_default(LevelFilter::DEBUG)
        .with_targets(OURS.map(|name| (name, LevelFilter::TRACE)));
    tracing_subscriber::registry()
        .with(levels)
        .with(lines)
        .init();
    capture
});

testkit::on_every_engine! {
    async fn nothing_personal_and_no_secret_is_kept_in_clear(engine: Engine) {
        LazyLock::force(&LOGS);
        let run = Run::start(engine).await;
        let files = DatabaseFiles::of(&run.app).await;
        let planted = Planted::in_every_place(&run).await;

        run.every_flow().await;
        Box::pin(run.every_abuse()).await;
        run.app.settle_messages().await;
        run.look_into_redis();
        for (what, least) in [
            ("access_token", 15), ("refresh_token", 15), ("device_token", 10), ("challenge_id", 15),
            ("a code", 15), ("the token of a mailed link", 3), ("a password", 10), ("a name", 6),
            ("the local part of an address", 8),
            ("the secret of an authenticator app", 1), ("a recovery code", 20), ("a number", 2), ("an address on the network", 100),
        ] {
            assert!(run.secrets.count_of(what) >= least, "of {what} only {}", run.secrets.count_of(what));
        }

        let scanner = Scanner::of(&run.secrets);
        let mut findings = Vec::new();
        for place in run.texts().await {
            findings.extend(scanner.findings_in(&place));
        }
        let mut paths = files.written(run.app.database()).await;
        collect_files(run.app.data_dir(), &mut paths, &|_| false);
        for place in paths.iter().filter_map(|path| file(path)) {
            findings.extend(scanner.findings_in(&place));
        }
        planted.take_out(&mut findings);
        assert!(findings.is_empty(), "{} findings: {findings:#?}", findings.len());
    }
}

impl Run {
    /// What the service left, as far as it is text.
    async fn texts(&self) -> Vec<Place> {
        let mut places = tables(self.app.database()).await;
        places.push(Place::text("log", LOGS.text()));
        places.extend(self.seen_in_redis());
        places
    }
}

/// What the test wrote in clear itself: a search that does not find it there proves nothing.
struct Planted {
    /// What, and how the name of the place begins.
    expected: Vec<(&'static str, &'static str)>,
}

impl Planted {
    async fn in_every_place(run: &Run) -> Self {
        let secrets = &run.secrets;
        let file = format!("x{}", STANDARD.encode(secrets.make("planted in a file")));
        fs::write(run.app.data_dir().join("planted"), file).expect("a file");

        let hex = hex_of(&secrets.make("planted in a row")).to_uppercase();
        let code = secrets.make_code("planted as a code");
        let database = run.app.database();
        database
            .execute("CREATE TABLE planted (content text)")
            .await;
        database
            .execute(&format!("INSERT INTO planted VALUES ('{hex}, {code}.')"))
            .await;

        tracing::trace!(
            content = secrets.make("planted in a log line").to_uppercase(),
            "planted {code}"
        );
        drop(
            tracing::debug_span!(target: "server", "planted", content = secrets.make("planted in a span")),
        );

        // What a client may choose: it is in everything that its request leaves.
        let chosen = secrets.make("planted as a request id");
        let body = json!({"identifier": run.email(), "password": run.password()});
        let request = run
            .request("POST", "/api/v1/auth/login")
            .header("X-Request-Id", chosen);
        run.send(request.json(&body))
            .await
            .assert_problem(401, "invalid_credentials");

        let mut expected = vec![
            ("planted in a file", "file "),
            ("planted in a row", "table planted"),
            ("planted in a row", "file "),
            ("planted as a code", "table planted"),
            ("planted as a code", "log"),
            ("planted in a log line", "log"),
            ("planted in a span", "log"),
            ("planted as a request id", "log"),
            ("planted as a request id", "table audit_entries"),
            ("planted as a request id", "file "),
        ];
        if run.engine == Engine::Production {
            let key =
                |name: &str| format!("{}planted:{}", run.app.redis_prefix(), secrets.make(name));
            let string = key("planted in a key");
            redis_cli(&[
                "SET",
                &string,
                &secrets.make("planted in a string"),
                "EX",
                "600",
            ]);
            let hash = key("planted in a key");
            redis_cli(&[
                "HSET",
                &hash,
                "a field",
                &STANDARD.encode(secrets.make("planted in a hash")),
            ]);
            redis_cli(&["HSET", &hash, "a code", &code]);
            redis_cli(&["EXPIRE", &hash, "600"]);
            let kinds = [
                "planted in a key",
                "planted in a string",
                "planted in a hash",
                "planted as a code",
            ];
            expected.extend(kinds.map(|what| (what, "Redis")));
        }
        Self { expected }
    }

    /// Takes what was planted out of the findings.
    fn take_out(&self, findings: &mut Vec<Finding>) {
        for (what, place) in &self.expected {
            let found = findings
                .iter()
                .any(|it| it.what == *what && it.place.starts_with(place));
            assert!(found, "the search is blind: nothing {what} in {place}");
        }
        findings.retain(|finding| !finding.what.starts_with("planted "));
    }
}
