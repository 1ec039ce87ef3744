//! What each step of a key waits for, at its edges.

use authentication_app::{
    keys::StageRules,
    ports::{
        KeySection, KeyState, KeySummary, KeyTask, NewAccount, NewSession, RekeyingQueries as _,
        ServiceKeyRecord, UnitOfWorkFactory as _,
    },
};
use authentication_domain::{
    challenges::{ChallengeRules, Purpose},
    credentials::PasswordHash,
};
use identity_adapters_postgres::{Store, StoreConfig};
use testkit::{
    TestDatabase,
    builders::{
        id, idempotency_record, new_account, new_session, send_request, subject, wrapped_key,
    },
    clock::START,
};
use time::{Duration, OffsetDateTime};

const RULES: StageRules = StageRules {
    settle: Duration::minutes(1),
    key_set_max_age: Duration::minutes(5),
    access_token: Duration::minutes(10),
    registration: Duration::HOUR,
    sending: Duration::minutes(30),
    counters: Duration::DAY,
};

const MOMENT: Duration = Duration::MICROSECOND;

fn key(section: KeySection, state: KeyState, id: &str) -> KeySummary {
    KeySummary {
        section,
        id: id.to_owned(),
        state,
        made_at: Some(START),
        since: Some(START),
        stored_as: id.to_owned(),
        algorithm: None,
    }
}

struct Case {
    store: Store,
    database: TestDatabase,
}

impl Case {
    async fn new(engine: testkit::Engine) -> Self {
        let database = TestDatabase::start(engine).await;
        let store = Store::connect(&StoreConfig::new(database.url())).await;
        Self {
            store: store.unwrap(),
            database,
        }
    }

    async fn promoting(&self, section: KeySection, now: OffsetDateTime) -> Vec<String> {
        let next = key(section, KeyState::Next, "next");
        let found = RULES.against_promoting(&next, &self.store, now).await;
        found.iter().map(ToString::to_string).collect()
    }

    async fn retiring_in(
        &self,
        section: KeySection,
        state: KeyState,
        now: OffsetDateTime,
    ) -> Vec<String> {
        let (old, current) = (
            key(section, state, "old"),
            key(section, KeyState::Current, "new"),
        );
        let found = RULES
            .against_retiring(&old, &current, &self.store, now)
            .await;
        found.iter().map(ToString::to_string).collect()
    }

    async fn retiring(&self, section: KeySection, now: OffsetDateTime) -> Vec<String> {
        self.retiring_in(section, KeyState::Previous, now).await
    }

    async fn register(&self, account: &NewAccount) {
        let mut unit = self.store.begin().await.unwrap();
        unit.accounts().insert(account).await.unwrap();
        unit.commit().await.unwrap();
    }
}

/// The section waits for nothing but this time.
#[track_caller]
fn waits(found: &[String], beginning: &str) {
    assert!(
        matches!(found, [only] if only.starts_with(beginning)),
        "{beginning}: {found:?}"
    );
}

testkit::on_every_engine! {
    async fn every_next_key_waits_until_all_nodes_know_it(engine: Engine) {
        let case = Case::new(engine).await;
        for section in KeySection::ALL {
            let longest = match section {
                KeySection::Signing => RULES.key_set_max_age + RULES.settle,
                _ => RULES.settle,
            };
            let early = case.promoting(section, START).await;
            assert!(early[0].contains("take the key up: wait another 60 s"), "{early:?}");
            assert!(!case.promoting(section, START + longest - MOMENT).await.is_empty());
            assert_eq!(case.promoting(section, START + longest).await, [""; 0], "{section}");
        }
    }

    async fn a_next_index_key_waits_for_every_account(engine: Engine) {
        let case = Case::new(engine).await;
        case.register(&new_account()).await;
        let later = START + Duration::WEEK;
        let found = case.promoting(KeySection::BlindIndex, later).await;
        assert_eq!(found, ["1 accounts have no index row under it"]);
        // As erasure does: nobody can open its identifier any more, so nobody could index it either.
        case.database.execute("DELETE FROM account_keys").await;
        assert_eq!(case.promoting(KeySection::BlindIndex, later).await, [""; 0]);
    }

    async fn every_previous_key_waits_for_nodes_that_lag(engine: Engine) {
        let case = Case::new(engine).await;
        for section in KeySection::ALL {
            let found = case.retiring(section, START + RULES.settle - MOMENT).await;
            assert!(found[0].contains("have not taken the change up yet"), "{section}: {found:?}");
            let unused = case.retiring_in(section, KeyState::Next, START).await;
            assert_eq!(unused, [""; 0], "{section}: one that was never used can go at once");
            let long_after = START + Duration::days(2);
            assert_eq!(case.retiring(section, long_after).await, [""; 0], "{section}");
        }
    }

    async fn previous_keys_wait_for_what_lives_by_time(engine: Engine) {
        let case = Case::new(engine).await;
        for (section, time, why) in [
            (KeySection::Signing, RULES.access_token, "access tokens under it still live"),
            (KeySection::BlindIndex, RULES.counters, "failures, guesses and messages"),
            (KeySection::PasswordPepper, RULES.registration, "registrations that wait"),
        ] {
            let until = START + time + RULES.settle;
            waits(&case.retiring(section, until - MOMENT).await, why);
            assert_eq!(case.retiring(section, until).await, [""; 0], "{section}");
        }
    }

    async fn previous_keys_wait_for_what_is_counted(engine: Engine) {
        let case = Case::new(engine).await;
        let later = START + Duration::days(2);
        let mut person = new_account();
        "old".clone_into(&mut person.record.wrapped_key.master_key_id);
        person.password = Some(PasswordHash::from_encoded("$argon2id$old$".to_owned()));
        case.register(&person).await;
        let account = person.record.account.id;
        let session = NewSession {
            refresh_key_id: "old".to_owned(),
            ..new_session(account)
        };
        let mut service = wrapped_key();
        "old".clone_into(&mut service.master_key_id);
        let service = ServiceKeyRecord { id: "1".to_owned(), wrapped: service };
        case.store.keep_service_key(&service, START).await.unwrap();
        let mut unit = case.store.begin().await.unwrap();
        unit.sessions().begin(&session, 5).await.unwrap();
        unit.devices().remember(account, id(), 20, START).await.unwrap();
        unit.commit().await.unwrap();
        for (section, expected) in [
            (KeySection::RefreshTokens, &["1 live sessions have their refresh tokens under it"][..]),
            (KeySection::DeviceTokens, &["1 devices have a token under it"]),
            (KeySection::PasswordPepper, &["1 passwords are hashed with it"]),
            (KeySection::BlindIndex, &["1 accounts have no index row under the current key"]),
            (KeySection::FieldEncryption, &[
                "1 data keys of accounts are wrapped by it",
                "1 data keys of the service are wrapped by it",
            ]),
        ] {
            assert_eq!(case.retiring(section, later).await, expected, "{section}");
        }
    }

    async fn a_key_of_codes_waits_for_what_was_sent_and_answered_under_it(engine: Engine) {
        let case = Case::new(engine).await;
        let (settled, codes) = (START + RULES.settle, KeySection::Codes);
        let rules = ChallengeRules::default();
        let before = send_request(subject(), Purpose::SignIn, START);
        let after = send_request(subject(), Purpose::SignIn, settled + MOMENT);
        let mut answer = idempotency_record();
        answer.expires_at = START + Duration::DAY;
        let mut unit = case.store.begin().await.unwrap();
        for request in [before, after] {
            unit.challenges().request_sending(&request, &rules).await.unwrap();
        }
        unit.idempotency().record(&answer, START).await.unwrap();
        unit.commit().await.unwrap();
        assert_eq!(
            case.retiring(codes, settled).await,
            [
                "1 codes or links under it still count",
                "1 recorded answers have their fingerprints under it",
            ]
        );
        waits(&case.retiring(codes, START + RULES.sending).await, "1 recorded answers");
        assert_eq!(case.retiring(codes, answer.expires_at).await, [""; 0]);
    }

    async fn a_master_key_waits_for_caches_of_what_it_wrapped(engine: Engine) {
        let case = Case::new(engine).await;
        let mut unit = case.store.begin().await.unwrap();
        let wrapped_at = START + Duration::HOUR;
        unit.rekeying().note_key_task(KeyTask::Rewrapping, 1, wrapped_at).await.unwrap();
        unit.commit().await.unwrap();
        let section = KeySection::FieldEncryption;
        let until = wrapped_at + Duration::minutes(2);
        waits(&case.retiring(section, until - MOMENT).await, "nodes may hold data keys");
        assert_eq!(case.retiring(section, until).await, [""; 0]);
    }

    async fn a_key_without_times_waits_from_now_on(engine: Engine) {
        let case = Case::new(engine).await;
        let mut old = key(KeySection::Signing, KeyState::Previous, "old");
        old.since = None;
        let current = key(KeySection::Signing, KeyState::Current, "new");
        let found = RULES.against_retiring(&old, &current, &case.store, START + Duration::WEEK).await;
        assert_eq!(found.len(), 2);
    }
}
