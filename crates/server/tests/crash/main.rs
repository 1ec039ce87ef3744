//! What was answered stays true: SIGKILL amid two hundred registrations, three times in a row, and a restart.
//!
//! The real binary, as an operator starts it, on the real clock. Whoever did not get to the end goes on in the
//! next round, from the last answer they got.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a broken expectation fails the test"
)]

mod client;
mod person;
mod service;

use std::{
    hash::{BuildHasher as _, RandomState},
    ops::RangeInclusive,
};

use tokio::task::JoinSet;

use crate::{
    person::Person,
    service::{Service, SetUp},
};

/// Who register at once in each round.
const PEOPLE: usize = 200;
/// How many wait for each other's codes in each round, to prove them all at once. Those who do not wait are
/// mostly killed while their password is hashed, those who do mostly while their account is made.
const CROWDS: [usize; 3] = [0, 150, 150];
const ROUNDS: usize = CROWDS.len();
/// The kill comes when so many have their account: by then some are at every step of the way.
const KILLED_AFTER: RangeInclusive<usize> = 30..=120;

testkit::on_every_engine! {
    async fn heavy_whatever_was_answered_survives_a_kill(engine: Engine) {
        let set_up = SetUp::new(engine).await;
        let mut people = Vec::new();
        for round in 0..ROUNDS {
            let service = set_up.start().await;
            let (registered, mut others) = signed_in(&service, people).await;
            others.extend((0..PEOPLE).map(|number| Person::new(round, number)));
            people = killed_amid(service, others, round).await;
            people.extend(registered);
        }
        let service = set_up.start().await;
        let (mut everybody, others) = signed_in(&service, people).await;
        everybody.extend(finished(&service, others).await);
        let (everybody, _) = signed_in(&service, everybody).await;
        assert_eq!(everybody.len(), ROUNDS * PEOPLE);
        set_up.assert_nobody_is_half_there(everybody.len()).await;
    }
}

/// Fewer than the passwords that wait for the hashing pool, which says 503 to more.
const AT_ONCE: usize = 32;

/// Lets everybody who got their account sign in; gives them, and the others.
async fn signed_in(service: &Service, people: Vec<Person>) -> (Vec<Person>, Vec<Person>) {
    let (registered, others): (Vec<_>, Vec<_>) =
        people.into_iter().partition(|person| person.registered);
    let mut signed_in = Vec::new();
    let mut waiting = registered.into_iter().peekable();
    while waiting.peek().is_some() {
        let mut tasks = JoinSet::new();
        for person in waiting.by_ref().take(AT_ONCE) {
            let client = service.client.clone();
            tasks.spawn(async move {
                person.assert_signs_in(&client).await;
                person
            });
        }
        signed_in.extend(tasks.join_all().await);
    }
    (signed_in, others)
}

/// Lets everybody register, and kills the service when some newcomers have their account.
async fn killed_amid(mut service: Service, people: Vec<Person>, round: usize) -> Vec<Person> {
    let span = KILLED_AFTER.end() - KILLED_AFTER.start() + 1;
    let kill_after = KILLED_AFTER.start() + random(span);
    let codes = service.codes();
    let mut tasks = JoinSet::new();
    for mut person in people {
        let (client, mut codes) = (service.client.clone(), codes.clone());
        let crowd = CROWDS[round];
        tasks.spawn(async move {
            // An answer that does not come is what the test is about.
            let _ = person.go_on(&client, &mut codes, crowd).await;
            person
        });
    }
    let (mut people, mut newcomers) = (Vec::new(), 0);
    while let Some(person) = tasks.join_next().await {
        let person = person.unwrap();
        if newcomers < kill_after {
            assert!(person.registered, "the service ended by itself: {person:?}");
            newcomers += usize::from(person.round == round);
            if newcomers == kill_after {
                service.kill();
            }
        }
        people.push(person);
    }
    let amid = people.iter().filter(|person| !person.registered).count();
    assert!(amid > 0, "the kill came after everything was done");
    people
}

/// Lets everybody come to the end of their registration.
async fn finished(service: &Service, people: Vec<Person>) -> Vec<Person> {
    let codes = service.codes();
    let mut tasks = JoinSet::new();
    for mut person in people {
        let (client, mut codes) = (service.client.clone(), codes.clone());
        tasks.spawn(async move {
            let done = person.go_on(&client, &mut codes, 0).await;
            assert!(done.is_ok(), "no answer for {person:?}");
            person
        });
    }
    tasks.join_all().await
}

/// A number below `end`, another one at each call.
pub(crate) fn random(end: usize) -> usize {
    let random = RandomState::new().hash_one(0);
    usize::try_from(random % u64::try_from(end).unwrap()).unwrap()
}
