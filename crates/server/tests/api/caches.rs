//! What is cached, and what that spares.

use std::collections::BTreeMap;

use authentication_app::caching::{Figures, Intent};
use testkit::{Engine, race::fifty_at_once};

use crate::app::TestApp;

testkit::on_every_engine! {
    /// Whatever the order in which they come: one reads, those who came meanwhile wait for it, the rest find it.
    async fn fifty_requests_of_one_session_at_once_read_the_store_once(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        let _quiet = app.quiet().await;
        let before = app.counters().statements;
        let (rivals, access) = (app.clone(), person.tokens.access.clone());
        fifty_at_once(move |_| {
            let (app, access) = (rivals.clone(), access.clone());
            async move {
                app.me(&access).await.assert_status(200);
            }
        })
        .await;
        assert_eq!(app.counters().statements - before, 1);
        let near = near(&app);
        assert_eq!((near.hits + near.misses, near.loads), (50, 1), "{near:?}");
    }

    /// It is loaded anew in the background, and nobody waits for the database.
    async fn a_session_in_use_is_loaded_before_its_time_is_over(engine: Engine) {
        let app = TestApp::start(engine).await;
        let person = app.register_person().await;
        app.me(&person.tokens.access).await.assert_status(200);
        let life = near(&app).intent.life_by(0);
        app.advance(life.total - life.early);
        for _ in 0..3 {
            app.me(&person.tokens.access).await.assert_status(200);
        }
        let near = near(&app);
        assert_eq!((near.misses, near.loads, near.early_refreshes), (1, 1, 1), "{near:?}");
    }
}

/// Of the cache that is asked first.
fn near(app: &TestApp) -> Figures {
    let caches = app.caches();
    let mut near = caches
        .iter()
        .filter(|it| it.intent.name.starts_with("sessions_"));
    *near.next().expect("every node has one")
}

/// Compares with what the service runs with, alone and beside others.
#[test]
fn the_document_lists_every_intent() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/caching.md");
    let written = std::fs::read_to_string(file).unwrap_or_default();
    let section = written
        .split("\n## ")
        .find(|it| it.starts_with("Intents\n"));
    let rows: Vec<_> = section
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let mut declared = BTreeMap::from([(api_http::COUNTRIES.name, api_http::COUNTRIES)]);
    testkit::runtime::run(async {
        for engine in [Engine::Embedded, Engine::Production] {
            let caches = TestApp::start(engine).await.caches();
            declared.extend(caches.iter().map(|it| (it.intent.name, it.intent)));
        }
    });
    let expected: Vec<_> = declared.values().map(row).collect();
    assert!(
        rows == expected,
        "the table under Intents in docs/caching.md must be:\n{}",
        expected.join("\n")
    );
}

fn row(intent: &Intent) -> String {
    let (longest, shortest) = (intent.life_by(0).total, intent.life_by(u16::MAX).total);
    let lives = if shortest == longest {
        longest.to_string()
    } else {
        format!("{shortest} to {longest}")
    };
    let early = match intent.early_percent {
        0 => "–".to_owned(),
        percent => format!("last {percent} %"),
    };
    let most = match intent.capacity {
        0 => "in Redis".to_owned(),
        capacity => capacity.to_string(),
    };
    let Intent {
        name, why, version, ..
    } = intent;
    format!("| `{name}` | {why} | {version} | {lives} | {early} | {most} |")
}
