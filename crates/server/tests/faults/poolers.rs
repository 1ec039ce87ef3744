//! A pooler between the service and PostgreSQL, and a promotion behind it.

use testkit::servers::{PgBouncer, PoolMode, PostgresServer};

use crate::{
    client::Client,
    process::{Service, complaint, result, run},
    visitor::{a_moment, all_the_while, visitors},
};

const NO_LIMIT: (&str, &str) = ("PROTECTION__EXEMPT_NETWORKS", "127.0.0.0/8");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_nobody_notices_a_pooler_that_gives_sessions_by_transaction() {
    let database = testkit::TestDatabase::empty(testkit::Engine::Production).await;
    // Fewer sessions than the service has connections, so that each serves all of them in turn.
    let pooler = PgBouncer::start(database.url(), PoolMode::Transaction, 4, "").await;
    let folder = tempfile::tempdir().unwrap();
    let url = pooler.url_of(database.url());
    let settings = [("DATABASE__URL", url.as_str()), NO_LIMIT];
    let service = Service::start(folder.path(), &settings);
    let client = Client::of(&service);
    let people = visitors(&client, 8).await;
    let mut people = all_the_while(people, async {
        for _ in 0..4 {
            a_moment().await;
        }
    })
    .await;
    let (answered, refused) = people.iter().fold((0, 0), |(answered, refused), person| {
        (answered + person.count(200), refused + person.count(503))
    });
    assert!(answered > 100, "{answered}");
    assert_eq!(refused, 0, "of {answered}");
    for person in &mut people {
        person.assert_promises_were_kept().await;
    }
    assert_eq!(client.until_readiness_is("ready").await, ["database=up"]);
    let data = folder.path();
    let doctor = run(
        &["doctor"],
        &[
            ("DATABASE__URL", &url),
            ("DATA_DIR", data.to_str().unwrap()),
        ],
    );
    let told = result(&doctor);
    assert!(
        told.contains("through PgBouncer in transaction mode"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heavy_a_promotion_is_followed_and_signs_nobody_out() {
    let primary = PostgresServer::start().await;
    let standby = primary.standby().await;
    let (first, second) = (primary.port(), standby.port());
    let url = format!(
        "postgres://postgres@127.0.0.1:{first},127.0.0.1:{second}/postgres?target_session_attrs=read-write"
    );
    let folder = tempfile::tempdir().unwrap();
    let mut service = Service::start(folder.path(), &[("DATABASE__URL", &url), NO_LIMIT]);
    let client = Client::of(&service);
    let people = visitors(&client, 6).await;
    let mut people = all_the_while(people, async {
        a_moment().await;
        primary.stop();
        assert_eq!(
            client.until_readiness_is("not_ready").await,
            ["database=down"]
        );
        standby.promote();
        assert_eq!(client.until_readiness_is("ready").await, ["database=up"]);
        a_moment().await;
    })
    .await;
    for person in &mut people {
        person.assert_promises_were_kept().await;
    }
    service.wait_for("connections lead to another PostgreSQL of database.url from here on");
    // From here on it takes no writes, as one that lost a fail-over: people read on, and operators are told.
    standby
        .execute("ALTER SYSTEM SET default_transaction_read_only = on")
        .await;
    standby.execute("SELECT pg_reload_conf()").await;
    service.wait_for("no PostgreSQL of database.url is what target_session_attrs asks for: requests are refused until there is one");
    drop(service);
    let alone = standby.url();
    let data = folder.path();
    let settings = [
        ("DATABASE__URL", alone.as_str()),
        ("DATA_DIR", data.to_str().unwrap()),
    ];
    let refused = run(&["serve"], &settings);
    assert_eq!(refused.status.code(), Some(1));
    let told = complaint(&refused);
    assert!(told.contains("the database takes no writes"), "{told}");
    let told = result(&run(&["doctor"], &settings));
    assert!(
        told.contains("takes no writes: its sessions are read-only"),
        "{told}"
    );
}
