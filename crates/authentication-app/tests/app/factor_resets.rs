//! Taking every second factor off an account whose owner lost them all.

use authentication_app::accounts::{FactorResets, FactorResetsDone};
use authentication_domain::challenges::CodeNonce;
use time::Duration;

use crate::{
    bed::{Bed, PASSWORD, Person, request},
    owner::Owner,
};

const WAIT: Duration = Duration::hours(72);

impl Bed {
    async fn look_after_resets(&self) -> FactorResetsDone {
        let resets = FactorResets::new(self.base.clone());
        resets.round().await.unwrap()
    }

    async fn asked_for(&self, person: &Person) {
        let now = self.base.clock.now();
        let store = &self.base.store;
        let asked = store.ask_for_factor_reset(person.account, "ticket 4711", now);
        assert!(asked.await.unwrap());
    }

    async fn outcomes(&self, action: &str) -> usize {
        let sql = format!("SELECT outcome AS it FROM audit_entries WHERE action = '{action}'");
        self.texts(&sql).await.len()
    }
}

const NOTHING: FactorResetsDone = FactorResetsDone {
    announced: 0,
    waits_begun: 0,
    carried_out: 0,
    called_off: 0,
    failed: 0,
};

/// The notice has left, and the waiting time begins.
const BEGUN: FactorResetsDone = FactorResetsDone {
    waits_begun: 1,
    ..NOTHING
};

#[tokio::test]
async fn factors_go_when_the_owner_was_told_and_did_not_object() {
    let bed = Bed::start().await;
    let person = bed.register("ada@example.com").await;
    assert_eq!(bed.look_after_resets().await, NOTHING);
    bed.asked_for(&person).await;
    // However long nobody looked: the wait begins when the owner is told.
    bed.clock.advance(WAIT * 2);
    let announced = FactorResetsDone {
        announced: 1,
        ..NOTHING
    };
    assert_eq!(bed.look_after_resets().await, announced);
    bed.deliver().await;
    assert_eq!(bed.look_after_resets().await, BEGUN);
    bed.clock.advance(WAIT - Duration::MICROSECOND);
    assert_eq!(bed.look_after_resets().await, NOTHING);
    bed.clock.advance(Duration::MICROSECOND);
    let carried_out = FactorResetsDone {
        carried_out: 1,
        ..NOTHING
    };
    assert_eq!(bed.look_after_resets().await, carried_out);
    assert_eq!(bed.look_after_resets().await, NOTHING);
    assert_eq!(bed.outcomes("mfa.reset_announced").await, 1);
    assert_eq!(bed.outcomes("mfa.reset").await, 1);
    let kinds = bed
        .texts("SELECT kind AS it FROM outbox_messages ORDER BY created_at")
        .await;
    assert_eq!(kinds, ["factors_reset"], "the first was delivered");
}

/// Everything that a second factor is goes; what a first one is stays.
#[tokio::test]
async fn every_factor_goes_and_every_way_in_stays() {
    let owner = Owner::start().await;
    owner.enrolled_passkey().await;
    owner.linked().await;
    let bed = &owner.bed;
    let count = async |table: &str| {
        let sql = format!("SELECT CAST(count(*) AS TEXT) AS it FROM {table}");
        bed.texts(&sql).await.remove(0)
    };
    let factors = ["totp_factors", "passkeys", "devices", "recovery_codes"];
    for table in factors {
        assert_ne!(count(table).await, "0", "{table}");
    }
    bed.asked_for(&owner.person).await;
    bed.look_after_resets().await;
    bed.deliver().await;
    assert_eq!(bed.look_after_resets().await, BEGUN);
    bed.clock.advance(WAIT);
    assert_eq!(bed.look_after_resets().await.carried_out, 1);
    for table in factors {
        assert_eq!(count(table).await, "0", "{table}");
    }
    for table in ["federated_identities", "password_credentials"] {
        assert_eq!(count(table).await, "1", "{table}");
    }
    assert!(bed.session_of(&owner.person.signed_in).await.is_none());
    // One factor is enough again.
    bed.log_in("ada@example.com", PASSWORD, &request())
        .await
        .unwrap();
}

/// Nobody looked for long, and then the notice leaves: that was no waiting time.
#[tokio::test]
async fn a_service_that_was_down_gives_the_whole_wait() {
    let bed = Bed::start().await;
    let person = bed.register("ada@example.com").await;
    bed.asked_for(&person).await;
    bed.look_after_resets().await;
    bed.clock.advance(WAIT * 2);
    bed.deliver().await;
    assert_eq!(bed.look_after_resets().await, BEGUN);
    bed.clock.advance(WAIT - Duration::MICROSECOND);
    assert_eq!(bed.look_after_resets().await, NOTHING);
}

/// Whoever was not told cannot object.
#[tokio::test]
async fn the_wait_begins_when_the_notice_has_left() {
    let bed = Bed::start().await;
    let person = bed.register("ada@example.com").await;
    bed.asked_for(&person).await;
    bed.look_after_resets().await;
    // The mail server is away for a week.
    for _ in 0..7 {
        bed.clock.advance(Duration::DAY);
        assert_eq!(bed.look_after_resets().await, NOTHING);
    }
    bed.deliver().await;
    assert_eq!(bed.look_after_resets().await, BEGUN);
    bed.clock.advance(WAIT - Duration::MICROSECOND);
    assert_eq!(bed.look_after_resets().await, NOTHING);
    bed.clock.advance(Duration::MICROSECOND);
    assert_eq!(bed.look_after_resets().await.carried_out, 1);
}

#[tokio::test]
async fn an_account_that_cannot_be_read_keeps_no_other_waiting() {
    let bed = Bed::start().await;
    let unreadable = bed.register("ada@example.com").await;
    let other = bed.register("eve@example.com").await;
    bed.asked_for(&unreadable).await;
    bed.asked_for(&other).await;
    let sql = format!(
        "UPDATE accounts SET identifier = X'00' WHERE hex(id) = '{}' RETURNING 'done' AS it",
        unreadable
            .account
            .as_uuid()
            .simple()
            .to_string()
            .to_uppercase()
    );
    assert_eq!(bed.texts(&sql).await, ["done"]);
    let one_of_two = FactorResetsDone {
        announced: 1,
        failed: 1,
        ..NOTHING
    };
    assert_eq!(bed.look_after_resets().await, one_of_two);
}

#[tokio::test]
async fn an_account_that_its_owner_closed_has_nothing_to_reset() {
    let bed = Bed::start().await;
    let person = bed.register("ada@example.com").await;
    bed.asked_for(&person).await;
    let sql =
        "UPDATE accounts SET status = 'deleted', status_since = updated_at RETURNING 'done' AS it";
    assert_eq!(bed.texts(sql).await, ["done"]);
    let called_off = FactorResetsDone {
        called_off: 1,
        ..NOTHING
    };
    assert_eq!(bed.look_after_resets().await, called_off);
    assert_eq!(bed.look_after_resets().await, NOTHING);
    assert_eq!(bed.outcomes("mfa.reset").await, 0);
}

#[tokio::test]
async fn what_an_operator_calls_off_is_not_carried_out_and_on_record() {
    let bed = Bed::start().await;
    let person = bed.register("ada@example.com").await;
    bed.asked_for(&person).await;
    bed.look_after_resets().await;
    let now = bed.base.clock.now();
    let withdrawn = bed.base.store.withdraw_factor_reset(person.account, now);
    assert!(withdrawn.await.unwrap());
    bed.clock.advance(WAIT);
    let called_off = FactorResetsDone {
        called_off: 1,
        ..NOTHING
    };
    assert_eq!(bed.look_after_resets().await, called_off);
    assert_eq!(bed.look_after_resets().await, NOTHING);
    assert_eq!(bed.outcomes("mfa.reset_called_off").await, 1);
    assert_eq!(bed.outcomes("mfa.reset").await, 0);
}

#[tokio::test]
async fn an_owner_who_says_it_was_not_them_calls_it_off() {
    let bed = Bed::start().await;
    let person = bed.register("ada@example.com").await;
    bed.asked_for(&person).await;
    bed.look_after_resets().await;
    let nonce = bed
        .texts("SELECT hex(nonce) AS it FROM outbox_messages WHERE kind = 'factor_reset_announced'")
        .await
        .remove(0);
    let nonce = u128::from_str_radix(&nonce, 16).unwrap().to_be_bytes();
    let token = bed
        .base
        .macs
        .notice_link_token(CodeNonce(nonce), person.account);
    bed.accounts.not_me(&token, &request()).await.unwrap();
    bed.clock.advance(WAIT);
    assert_eq!(bed.look_after_resets().await, NOTHING);
    assert_eq!(bed.outcomes("mfa.reset_called_off").await, 1);
    assert_eq!(bed.outcomes("mfa.reset").await, 0);
}
