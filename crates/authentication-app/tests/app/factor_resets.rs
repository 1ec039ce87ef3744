//! Taking every second factor off an account whose owner lost them all.

use authentication_app::accounts::{FactorResets, FactorResetsDone};
use authentication_domain::challenges::CodeNonce;
use time::Duration;

use crate::bed::{Bed, Person, request};

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
    carried_out: 0,
    called_off: 0,
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
    assert_eq!(bed.look_after_resets().await, NOTHING);
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
    assert_eq!(kinds, ["factor_reset_announced", "factors_reset"]);
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
