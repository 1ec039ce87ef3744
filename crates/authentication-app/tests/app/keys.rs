//! What changed keys ask of the rows, and what they do not.

use adapters_crypto::SystemRandom;
use authentication_app::{
    keys::{PassOutcome, Rekeying},
    ports::KeySection,
};
use testkit::builders::new_account;
use time::Duration;

use crate::bed::Bed;

fn rekeying(bed: &Bed) -> Rekeying {
    let base = &bed.base;
    Rekeying::new(
        base.store.clone(),
        base.vault.clone(),
        base.index.clone(),
        base.clock.clone(),
    )
}

impl Bed {
    fn add_next(&self, section: KeySection) -> String {
        self.change_ring(|ring, now| ring.add_next(section, None, &SystemRandom, now))
    }

    /// Gives the key that is previous now.
    fn promote(&self, section: KeySection) -> String {
        self.change_ring(|ring, now| ring.promote(section, now)).1
    }

    fn retire(&self, section: KeySection, id: &str) {
        self.change_ring(|ring, now| ring.retire(section, id, now));
    }
}

/// How many steps a pass takes, and what it did.
async fn pass(work: &Rekeying) -> (u32, PassOutcome) {
    let (mut pass, mut steps) = (work.begin_pass(), 0);
    while pass.step().await.unwrap().is_some() {
        steps += 1;
    }
    (steps, pass.outcome())
}

/// However few of them need it: each step is one unit, and on SQLite nobody writes beside one.
#[tokio::test]
async fn a_step_looks_at_two_hundred_accounts_at_the_most() {
    let bed = Bed::start().await;
    let mut unit = bed.base.store.begin().await.unwrap();
    for _ in 0..450 {
        unit.accounts().insert(&new_account()).await.unwrap();
    }
    unit.commit().await.unwrap();
    let work = rekeying(&bed);
    assert_eq!(pass(&work).await, (0, PassOutcome::default()));
    assert!(work.is_settled());
    bed.add_next(KeySection::FieldEncryption);
    let old = bed.promote(KeySection::FieldEncryption);
    // One for the keys of the service. No account has its data key under the old one.
    assert_eq!(pass(&work).await, (1 + 3, PassOutcome::default()));
    assert!(!work.is_settled());
    bed.retire(KeySection::FieldEncryption, &old);
    assert!(work.is_settled());
}

#[tokio::test]
async fn a_next_index_key_that_is_taken_back_amid_a_pass_is_nobodys_fault() {
    let bed = Bed::start().await;
    bed.register("ada@example.com").await;
    let work = rekeying(&bed);
    let next = bed.add_next(KeySection::BlindIndex);
    let mut pass = work.begin_pass();
    bed.retire(KeySection::BlindIndex, &next);
    while pass.step().await.unwrap().is_some() {}
    assert_eq!(pass.outcome(), PassOutcome::default());
    assert_eq!(work.remaining().await.unwrap(), 0);
}

/// A step was forced, and a stranger registered the identifier while it had no row under the key.
#[tokio::test]
async fn an_identifier_that_is_somebody_elses_by_now_is_told_and_not_tried_for_ever() {
    let bed = Bed::start().await;
    bed.register("ada@example.com").await;
    bed.database.execute("DELETE FROM identifier_index").await;
    bed.add_next(KeySection::BlindIndex);
    // Until then nothing more is sent to the address.
    bed.clock.advance(Duration::minutes(2));
    bed.register("ada@example.com").await;
    let work = rekeying(&bed);
    let (_, outcome) = pass(&work).await;
    // Under the current key and under the next one.
    assert_eq!((outcome.changed(), outcome.stuck), (0, 2));
    assert_eq!(work.remaining().await.unwrap(), 2);
}

/// Nothing changes, so nothing is to be done: whoever waits for the end does not wait for it.
#[tokio::test]
async fn what_no_pass_works_on_does_not_count_as_left() {
    let bed = Bed::start().await;
    bed.register("ada@example.com").await;
    bed.database.execute("DELETE FROM identifier_index").await;
    let work = rekeying(&bed);
    assert_eq!(pass(&work).await, (0, PassOutcome::default()));
    assert_eq!(work.remaining().await.unwrap(), 0);
}
