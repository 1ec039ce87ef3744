//! What is declared, and what follows from it.

use authentication_app::caching::{Intent, Ledger};
use common::SecureRandom;
use proptest::prelude::*;
use testkit::clock::START;
use time::Duration;

const INTENT: Intent = Intent {
    name: "things",
    why: "a test asks for them",
    version: 3,
    ttl: Duration::seconds(100),
    jitter_percent: 20,
    early_percent: 25,
    capacity: 10,
}
.checked();

struct Fixed(u8);

impl SecureRandom for Fixed {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(self.0);
    }
}

#[test]
fn chance_takes_from_a_life_what_was_declared_and_never_adds_to_it() {
    let longest = INTENT.life(&Fixed(0));
    let shortest = INTENT.life(&Fixed(0xff));
    assert_eq!(longest.total, Duration::seconds(100));
    assert_eq!(shortest.total, Duration::seconds(80));
    assert_eq!(longest.early, Duration::seconds(25));
    assert_eq!(shortest.early, Duration::seconds(20));
    assert_eq!(longest.until(START), START + Duration::seconds(100));
    assert_eq!(longest.due(START), START + Duration::seconds(75));
}

proptest! {
    #[test]
    fn every_life_is_within_its_bounds_and_spreads_over_them(draw: u16, ttl in 1_i64..100_000, jitter in 0_u8..=50, early in 0_u8..50) {
        let ttl = Duration::milliseconds(ttl);
        let intent = Intent { ttl, jitter_percent: jitter, early_percent: early, ..INTENT };
        let life = intent.life_by(draw);
        prop_assert!(life.total <= ttl);
        prop_assert!(life.total >= ttl * i32::from(100 - jitter) / 100);
        prop_assert!(life.early <= life.total);
        prop_assert!(intent.life_by(draw.saturating_add(1)).total <= life.total);
    }

    /// There is a moment at which each is due and none is over: one that is asked for all the time is
    /// never missed.
    #[test]
    fn the_first_to_be_over_outlives_the_last_to_be_due(one: u16, other: u16) {
        let (one, other) = (INTENT.life_by(one), INTENT.life_by(other));
        prop_assert!(one.due(START) < other.until(START));
    }
}

#[test]
fn a_key_names_the_shape_of_what_is_behind_it() {
    assert_eq!(INTENT.key("a-1"), "things:v3:a-1");
    let next = Intent {
        version: 4,
        ..INTENT
    };
    assert_ne!(INTENT.key("a-1"), next.key("a-1"));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let broken = [
        Intent { name: "", ..INTENT },
        Intent { why: "", ..INTENT },
        Intent {
            version: 0,
            ..INTENT
        },
        Intent {
            ttl: Duration::ZERO,
            ..INTENT
        },
        Intent {
            jitter_percent: 51,
            early_percent: 60,
            ..INTENT
        },
        // Some would be over before others are due.
        Intent {
            early_percent: 20,
            ..INTENT
        },
        // Some would be due when they are put.
        Intent {
            early_percent: 80,
            ..INTENT
        },
    ];
    for intent in broken {
        assert!(
            std::panic::catch_unwind(|| intent.checked()).is_err(),
            "{intent:?}"
        );
    }
    let never_early = Intent {
        early_percent: 0,
        ..INTENT
    };
    assert_eq!(never_early.checked(), never_early);
}

#[test]
fn whoever_opens_an_intent_again_counts_on() {
    let ledger = Ledger::default();
    let first = ledger.open(INTENT);
    let other = Intent {
        name: "others",
        ..INTENT
    };
    ledger.open(other).miss();
    first.hit();
    ledger.clone().open(INTENT).hit();
    let figures = ledger.read();
    let counted: Vec<_> = figures
        .iter()
        .map(|it| (it.intent.name, it.hits, it.misses))
        .collect();
    assert_eq!(counted, [("things", 2, 0), ("others", 0, 1)]);
}
