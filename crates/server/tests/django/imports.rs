//! What becomes of people whom Django knew, in this process.

use std::{collections::BTreeMap, sync::Arc};

use adapters_crypto::{
    BlindIndex, CryptoVault, DjangoHashes, KeyRing, KeysInUse, ServiceKey, SystemRandom,
};
use authentication_app::{
    imports::{Candidate, ImportPorts, Imports, LegacyUser, Manner, Outcome, Refusal},
    ports::{HashRefused, IdentifierIndex as _, IdentityStore, Vault as _},
};
use authentication_domain::{
    accounts::{AccountStatus, Identifier, InvalidEmail, InvalidPhone, LegacyId, SignUpMethod},
    federation::ProviderName,
    profiles::InvalidText,
};
use common::{RequestId, money::Money};
use identity_adapters_postgres::{Store, StoreConfig};
use testkit::{Engine, TestClock, TestDatabase, builders::sign_in_question, clock::START};
use time::Duration;

const HASH: &str = "pbkdf2_sha256$1000$seasalt$5DTSOPZpn9FKoskcei94dc77FfGOPLDjKdXWipTdaWI=";

struct Run {
    imports: Imports,
    store: Arc<dyn IdentityStore>,
    database: TestDatabase,
    vault: Arc<CryptoVault>,
    index: Arc<BlindIndex>,
}

impl Run {
    async fn new(engine: Engine) -> Self {
        let database = TestDatabase::start(engine).await;
        let store = Store::connect(&StoreConfig::new(database.url())).await;
        let store: Arc<dyn IdentityStore> = Arc::new(store.unwrap());
        let keys = KeysInUse::new(KeyRing::generate(&SystemRandom, START));
        let service = ServiceKey::generate(&keys, &SystemRandom);
        let service = ServiceKey::open(&keys, &service).unwrap();
        let vault = CryptoVault::new(Arc::clone(&keys), service, Arc::new(SystemRandom));
        let (vault, index) = (Arc::new(vault), Arc::new(BlindIndex::new(keys)));
        let ports = ImportPorts {
            store: store.clone(),
            vault: vault.clone(),
            index: index.clone(),
            issuers: BTreeMap::from([
                (
                    ProviderName::GOOGLE,
                    "https://accounts.google.com".to_owned(),
                ),
                (
                    ProviderName::parse("entra").unwrap(),
                    "https://login.example.com".to_owned(),
                ),
            ]),
            hashes: Arc::new(DjangoHashes),
            clock: Arc::new(TestClock::default()),
            random: Arc::new(SystemRandom),
        };
        let run = RequestId::parse("run-1").unwrap();
        Self {
            imports: Imports::new(ports, run),
            store,
            database,
            vault,
            index,
        }
    }

    fn judge(&self, change: impl FnOnce(&mut LegacyUser)) -> Result<Candidate, Refusal> {
        self.imports.judge(&user(1, change))
    }

    fn refusal(&self, change: impl FnOnce(&mut LegacyUser)) -> Option<Refusal> {
        self.judge(change).err()
    }

    fn candidate(&self, id: u64, change: impl FnOnce(&mut LegacyUser)) -> Candidate {
        self.imports.judge(&user(id, change)).unwrap()
    }

    async fn keep(&self, batch: &[Candidate]) -> Vec<Outcome> {
        let outcomes = self.imports.keep(batch, Manner::default()).await;
        outcomes.unwrap()
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.database.rows(sql).await;
        let texts = rows.iter().map(|row| row.try_get_by_index(0).unwrap());
        texts.collect()
    }
}

fn user(id: u64, change: impl FnOnce(&mut LegacyUser)) -> LegacyUser {
    let mut user = LegacyUser::new(LegacyId::from(id));
    user.email = Some(format!("person-{id}@example.com"));
    user.role = Some("client".to_owned());
    user.password = Some(HASH.into());
    change(&mut user);
    user
}

#[tokio::test]
async fn whoever_may_not_come_is_refused_with_the_reason() {
    let run = Run::new(Engine::Embedded).await;
    let is = |change: fn(&mut LegacyUser), expected: Refusal| {
        assert_eq!(run.refusal(change), Some(expected));
        assert!(!expected.code().is_empty() && !expected.to_string().is_empty());
    };
    is(|it| it.is_verified = false, Refusal::NotVerified);
    is(|it| it.email = None, Refusal::NoIdentifier);
    is(
        |it| it.identifier = Some(SignUpMethod::Phone),
        Refusal::NoIdentifier,
    );
    is(
        |it| it.phone = Some("+2348012345678".into()),
        Refusal::AmbiguousIdentifier,
    );
    is(
        |it| it.email = Some("ada".into()),
        Refusal::Email(InvalidEmail),
    );
    is(
        |it| {
            it.phone = Some("0801".into());
            it.identifier = Some(SignUpMethod::Phone);
        },
        Refusal::Phone(InvalidPhone),
    );
    is(|it| it.role = None, Refusal::NoRole);
    is(|it| it.role = Some("root".into()), Refusal::UnknownRole);
    is(|it| it.is_staff = true, Refusal::StaffWithoutRole);
    is(
        |it| it.role = Some("support".into()),
        Refusal::RoleWithoutStaff,
    );
    is(
        |it| it.password = Some("md5$a$b".into()),
        Refusal::Password(HashRefused::UnknownScheme),
    );
    is(
        |it| it.country = Some("Nigeria".into()),
        Refusal::Profile {
            field: "country",
            reason: InvalidText::UnknownCountry,
        },
    );
    is(
        |it| it.date_joined = Some(START + Duration::SECOND),
        Refusal::JoinedAtNoTime,
    );
    is(|it| it.balance_minor = Some(-1), Refusal::NegativeBalance);
    is(|it| it.balance_minor = Some(1), Refusal::NoCurrency);
    is(|it| it.currency = Some("naira".into()), Refusal::Currency);
    let of = |name: &str, subject: &str| (name.to_owned(), subject.to_owned());
    is(
        |it| it.identities = vec![("okta".into(), "1".into())],
        Refusal::UnknownProvider,
    );
    is(
        |it| it.identities = vec![("No name".into(), "1".into())],
        Refusal::UnknownProvider,
    );
    is(
        |it| it.identities = vec![("google".into(), "é".into())],
        Refusal::Subject,
    );
    is(
        |it| it.identities = vec![("google".into(), "1".into()), ("google".into(), "1".into())],
        Refusal::SeveralIdentities,
    );
    let both = run.judge(|it| it.identities = vec![of("google", "1"), of("entra", "1")]);
    assert!(both.is_ok());
}

#[tokio::test]
async fn whoever_may_come_is_what_they_were() {
    let run = Run::new(Engine::Embedded).await;
    let roles = |change: fn(&mut LegacyUser)| run.judge(change).unwrap().roles().to_string();
    assert_eq!(roles(|_| {}), "client");
    assert_eq!(roles(|it| it.is_superuser = true), "client,admin");
    let sole_admin: fn(&mut LegacyUser) = |it| {
        it.is_superuser = true;
        it.is_staff = true;
        it.role = Some(String::new());
    };
    assert_eq!(roles(sole_admin), "admin");
    let editor: fn(&mut LegacyUser) = |it| {
        it.is_staff = true;
        it.role = Some("editor".into());
    };
    assert_eq!(roles(editor), "editor");
    assert!(run.judge(|it| it.date_joined = Some(START)).is_ok());
    let shown = format!("{:?} {:?}", user(7, |_| {}), run.candidate(7, |_| {}));
    assert_eq!(shown, "LegacyUser(7, …) Candidate(7, …)");
}

testkit::on_every_engine! {
    async fn a_person_is_kept_with_a_trail_and_an_event(engine: Engine) {
        let run = Run::new(engine).await;
        let joined = START - Duration::days(900);
        let candidate = run.candidate(42, |it| {
            it.first_name = Some(" Ada ".into());
            it.last_name = Some("Obi".into());
            it.country = Some("gh".into());
            it.is_active = false;
            it.date_joined = Some(joined);
            it.last_login = Some(START);
            it.balance_minor = Some(5);
            it.currency = Some("ngn".into());
        });
        let [Outcome::Imported(account)] = run.keep(&[candidate]).await[..] else {
            panic!("not imported");
        };
        let keys = run.index.keys_of(&Identifier::parse("PERSON-42@example.com").unwrap());
        let found = run.store.sign_in_record(sign_in_question(&keys, None)).await.unwrap();
        let record = found.account.unwrap();
        assert_eq!(record.account.id, account);
        assert_eq!(record.account.status, AccountStatus::Suspended { since: START });
        assert_eq!((record.account.timestamps.created_at, record.account.timestamps.updated_at), (joined, START));
        assert_eq!(record.wallet, Money { minor: 5, currency: "NGN".parse().unwrap() });
        assert_eq!(found.password.unwrap().as_str(), HASH);
        assert!(run.vault.unwrap_key(account, &record.wrapped_key).is_ok());

        let trail = "SELECT action || ' ' || outcome || ' ' || request_id FROM audit_entries";
        assert_eq!(run.texts(trail).await, ["account.imported success run-1"]);
        let types = run.texts("SELECT event_type FROM outbox_events").await;
        assert_eq!(types, ["com.fashionistar.auth.account.imported.v1"]);
        let data = &run.texts("SELECT data FROM outbox_events").await[0];
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        let expected = serde_json::json!({"account_id": account, "roles": ["client"], "legacy_id": "42"});
        assert_eq!(data, expected);
    }

    async fn within_a_batch_the_first_of_a_kind_counts(engine: Engine) {
        let run = Run::new(engine).await;
        let batch = [
            run.candidate(1, |_| {}),
            run.candidate(2, |it| it.email = Some("Person-1@example.com".into())),
            run.candidate(1, |_| {}),
            run.candidate(1, |it| it.last_name = Some("Obi".into())),
            run.candidate(2, |it| it.email = Some("Person-1@example.com".into())),
            run.candidate(2, |_| {}),
            run.candidate(3, |_| {}),
        ];
        let outcomes = run.keep(&batch).await;
        let [Outcome::Imported(first), .., Outcome::Imported(_)] = outcomes[..] else {
            panic!("{outcomes:?}");
        };
        assert_eq!(outcomes[1..6], [
            Outcome::Refused(Refusal::IdentifierTaken),
            Outcome::AlreadyThere(first),
            Outcome::Refused(Refusal::ChangedSince),
            Outcome::Refused(Refusal::IdentifierTaken),
            Outcome::Refused(Refusal::ChangedSince),
        ]);
        assert_eq!(run.keep(&batch[..1]).await, [Outcome::AlreadyThere(first)]);
        let seen_again = run.candidate(1, |it| it.last_login = Some(START));
        assert_eq!(run.keep(&[seen_again]).await, [Outcome::AlreadyThere(first)]);
        assert_eq!(run.keep(&[]).await, []);
    }

    async fn what_is_tried_or_done_in_silence_leaves_less(engine: Engine) {
        let run = Run::new(engine).await;
        let batch = [run.candidate(1, |_| {})];
        let dry = Manner { dry_run: true, silent: false };
        let tried = run.imports.keep(&batch, dry).await.unwrap();
        assert!(matches!(tried[..], [Outcome::Imported(_)]));
        for table in ["accounts", "imported_users", "identifier_index", "audit_entries"] {
            assert_eq!(run.database.count(table).await, 0, "{table}");
        }
        let silent = Manner { dry_run: false, silent: true };
        run.imports.keep(&batch, silent).await.unwrap();
        assert_eq!(run.database.count("audit_entries").await, 1);
        assert_eq!(run.database.count("outbox_events").await, 0);
    }
}
