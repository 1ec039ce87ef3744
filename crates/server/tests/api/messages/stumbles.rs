//! A store that gives single statements up: nothing that was not sent waits for the end of a lease, which by
//! the clock of these tests never comes.

use testkit::{
    Engine, TestDatabase,
    servers::{GatewayAnswer, MailServer, MailTls, SmsGateway},
};

use super::setup::{code_in, through_gateway, through_server, with_gateway};
use crate::app::TestApp;

/// Where the worker stumbles.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// It reads which code counts.
    Compose,
    /// It counts under the ceilings.
    Claim,
    /// It writes that a code is about to go out.
    HandOver,
}

/// As on a time-out of the statement.
const CANCELED: &str = "57014";
/// As on a deadlock.
const DEADLOCK: &str = "40P01";

/// From here on PostgreSQL gives the statement of this step up, so many times.
async fn stumble(database: &TestDatabase, step: Step, times: u32, sqlstate: &str) {
    let place = match step {
        Step::Compose => {
            "ALTER TABLE code_dispatches RENAME TO kept; \
             CREATE VIEW code_dispatches AS SELECT * FROM kept WHERE stumbles()"
        }
        Step::Claim => {
            "CREATE TRIGGER stumbles BEFORE INSERT OR UPDATE ON message_ceilings \
             FOR EACH ROW EXECUTE FUNCTION stumbles_on_it()"
        }
        Step::HandOver => {
            "CREATE TRIGGER stumbles BEFORE UPDATE OF handed_over_at ON outbox_messages \
             FOR EACH ROW WHEN (NEW.handed_over_at IS NOT NULL) EXECUTE FUNCTION stumbles_on_it()"
        }
    };
    // What a sequence gave is not taken back with the transaction.
    let sql = format!(
        "CREATE SEQUENCE stumbled; \
         CREATE FUNCTION stumbles() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$ BEGIN \
         IF nextval('stumbled') <= {times} THEN RAISE EXCEPTION 'a test' USING ERRCODE = '{sqlstate}'; END IF; \
         RETURN true; END $$; \
         CREATE FUNCTION stumbles_on_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         PERFORM stumbles(); RETURN NEW; END $$; \
         {place}"
    );
    database.execute(&sql).await;
}

async fn how_often_it_was_there(database: &TestDatabase) -> i64 {
    let rows = database.rows("SELECT last_value FROM stumbled").await;
    rows[0].try_get_by_index(0).unwrap()
}

/// A code that is queued, and whose worker will stumble.
async fn a_code_goes_out_in_spite_of(step: Step, times: u32, sqlstate: &str) {
    let gateway = SmsGateway::start();
    let app = with_gateway(Engine::Production, &gateway).await;
    let paused = app.pause_workers().await;
    let challenge = app.ask(&app.fresh_number()).await;
    stumble(app.database(), step, times, sqlstate).await;
    drop(paused);
    let requests = app.requests_at(&gateway, 1).await;
    app.settle_messages().await;
    assert_eq!(gateway.requests().len(), 1);
    let passes = how_often_it_was_there(app.database()).await;
    assert!(passes > i64::from(times), "{step:?}: {passes}");
    app.prove(&challenge, &code_in(&requests[0])).await;
    // And is counted.
    let rows = app
        .database()
        .rows("SELECT granted FROM message_ceilings WHERE scope = 'sms:day'")
        .await;
    let granted: i64 = rows[0].try_get_by_index(0).unwrap();
    assert!(granted >= 1);
}

fn run(test: impl Future<Output = ()>) {
    testkit::runtime::run(test);
}

#[test]
fn a_code_outlives_a_store_that_gives_the_reading_up_once() {
    run(a_code_goes_out_in_spite_of(Step::Compose, 1, CANCELED));
}

#[test]
fn a_code_outlives_a_store_that_gives_the_counting_up_once() {
    run(a_code_goes_out_in_spite_of(Step::Claim, 1, CANCELED));
}

#[test]
fn a_code_outlives_a_store_that_gives_the_mark_up_once() {
    run(a_code_goes_out_in_spite_of(Step::HandOver, 1, CANCELED));
}

#[test]
fn a_code_outlives_deadlocks_at_every_step() {
    // More of them than one attempt puts up with.
    run(async {
        for step in [Step::Compose, Step::Claim, Step::HandOver] {
            a_code_goes_out_in_spite_of(step, 4, DEADLOCK).await;
        }
    });
}

/// Otherwise one channel would stand still for as long as the provider of the other one hangs.
#[test]
fn nobody_waits_for_a_provider_that_hangs_because_of_a_store_that_stumbled() {
    run(async {
        let (mail, gateway) = (MailServer::start(MailTls::None), SmsGateway::start());
        let app = TestApp::start_with(Engine::Production, |config| {
            through_gateway(&gateway)(config);
            let sms = config.messages.sms.clone();
            through_server(&mail)(config);
            config.messages.sms = sms;
        })
        .await;
        gateway.always(GatewayAnswer::Hang);
        app.ask(&app.fresh_number()).await;
        app.requests_at(&gateway, 1).await;
        stumble(app.database(), Step::HandOver, 1, CANCELED).await;
        app.ask(&app.fresh_email()).await;
        app.until("the mail arrives", async || !mail.mails().is_empty())
            .await;
        app.until("the mail is done with", async || {
            app.count("outbox_messages").await == 1
        })
        .await;
        let hanging = "outbox_messages WHERE handed_over_at IS NOT NULL";
        assert_eq!(app.count(hanging).await, 1, "the gateway still has it");
        gateway.release();
        app.settle_messages().await;
    });
}
