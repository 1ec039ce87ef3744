//! What other bounded contexts ask.

use std::sync::Arc;

use authentication_app::{accounts::People, ports::Invalidation, sessions::Sessions};
use authentication_domain::{
    accounts::AccountStatus,
    directory::{AuthenticateToken, DirectoryError, FindPerson, Person as Summary},
    profiles::{DisplayName, ProfileChange},
};
use secrecy::ExposeSecret as _;
use testkit::builders::id;
use time::Duration;

use crate::bed::{Bed, Person, request};

const ADA: &str = "ada@example.com";

impl Bed {
    async fn summary_of(&self, person: &Person) -> Result<Summary, DirectoryError> {
        self.accounts.find_person(person.account).await
    }

    async fn rename(&self, person: &Person, name: &str) {
        let session = self.session_of(&person.signed_in).await.unwrap();
        let change = ProfileChange {
            display_name: Some(Some(DisplayName::parse(name).unwrap())),
            ..ProfileChange::default()
        };
        let changed = self
            .accounts
            .update_profile(&session, &change, &request())
            .await;
        changed.unwrap();
    }

    fn loads_of_people(&self) -> u64 {
        let caches = self.caches.read();
        let people = caches.iter().find(|it| it.intent == People::INTENT);
        people.unwrap().loads
    }
}

#[tokio::test]
async fn a_person_is_shown_by_name_and_state_and_by_nothing_else() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    bed.rename(&ada, "Ada").await;
    let summary = bed.summary_of(&ada).await.unwrap();
    let expected = Summary {
        account: ada.account,
        display_name: Some("Ada".to_owned()),
        status: AccountStatus::Active,
    };
    assert_eq!(summary, expected);
    assert_eq!(
        bed.accounts.find_person(id()).await,
        Err(DirectoryError::Unknown)
    );
}

/// A page of products of one vendor.
#[tokio::test]
async fn who_is_asked_after_many_times_is_read_once() {
    let bed = Arc::new(Bed::start().await);
    let ada = bed.register(ADA).await;
    for _ in 0..50 {
        bed.summary_of(&ada).await.unwrap();
    }
    assert_eq!(bed.loads_of_people(), 1);
    bed.clock.advance(Duration::SECOND);
    bed.summary_of(&ada).await.unwrap();
    assert_eq!(bed.loads_of_people(), 2, "for a second");
}

#[tokio::test]
async fn a_change_shows_at_once() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    assert_eq!(bed.summary_of(&ada).await.unwrap().display_name, None);
    bed.rename(&ada, "Ada").await;
    let name = bed.summary_of(&ada).await.unwrap().display_name;
    assert_eq!(name.as_deref(), Some("Ada"));
}

#[tokio::test]
async fn a_change_on_another_node_shows_when_it_is_heard_of() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    bed.summary_of(&ada).await.unwrap();
    bed.database
        .execute("UPDATE accounts SET status = 'suspended', status_since = 1")
        .await;
    assert!(matches!(
        bed.summary_of(&ada).await.unwrap().status,
        AccountStatus::Active
    ));
    let changed = Invalidation::of_account(ada.account);
    bed.base.liveness.hear(&changed).await;
    assert!(matches!(
        bed.summary_of(&ada).await.unwrap().status,
        AccountStatus::Suspended { .. }
    ));
}

#[tokio::test]
async fn whoever_cannot_be_read_is_unavailable_and_not_unknown() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    bed.database
        .execute("UPDATE profiles SET document = x'00'")
        .await;
    assert_eq!(bed.summary_of(&ada).await, Err(DirectoryError::Unavailable));
    bed.database.execute("DROP TABLE wallets").await;
    assert_eq!(bed.summary_of(&ada).await, Err(DirectoryError::Unavailable));
}

#[tokio::test]
async fn a_token_is_turned_into_the_one_who_acts() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    let directory: &dyn AuthenticateToken = &Sessions::new(Arc::clone(&bed.base));
    let token = ada.signed_in.tokens.access_token.expose_secret();
    let principal = directory.authenticate(token).await.unwrap();
    assert_eq!(principal.account, ada.account);
    assert_eq!(principal.session, ada.signed_in.tokens.session);
    assert_eq!(
        directory.authenticate("junk").await,
        Err(DirectoryError::Unknown)
    );

    bed.set_status(&ada, "suspended").await;
    assert_eq!(
        directory.authenticate(token).await,
        Err(DirectoryError::Unknown)
    );
    bed.database.execute("DROP TABLE sessions").await;
    assert_eq!(
        directory.authenticate(token).await,
        Err(DirectoryError::Unavailable)
    );
}
