//! Somebody who uses the service all the time, and remembers what it promised.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::client::{Answer, Client};

pub(crate) const PASSWORD: &str = "lilac-Harbour-42-zeppelin";
/// Below the twenty a minute that one identifier may.
const MOST_SIGN_INS: u32 = 15;
/// Between two requests, so that a test of some seconds stays below the 600 a minute of one account.
const PACE: Duration = Duration::from_millis(30);

/// A registered person, and what they know for certain.
pub(crate) struct Visitor {
    client: Client,
    email: String,
    access: String,
    refresh: String,
    sign_ins: u32,
    /// The number in the newest name that the service confirmed, and in the newest that was sent.
    confirmed: u32,
    sent: u32,
    answers: BTreeMap<(&'static str, u16), u32>,
}

impl Visitor {
    pub(crate) async fn register(client: &Client, number: usize) -> Self {
        let email = format!("visitor-{number}@example.com");
        let asked = client.register(&email).await;
        assert_eq!(asked.status, 202, "{asked:?}");
        let code = client.code_for(&email).await;
        let body = json!({"challenge_id": asked.text("/challenge_id"), "code": code});
        let proven = client.post("/api/v1/auth/verify-otp", &body).await;
        assert_eq!(proven.status, 201, "{proven:?}");
        Self {
            client: client.clone(),
            email,
            access: proven.text("/tokens/access_token"),
            refresh: proven.text("/tokens/refresh_token"),
            sign_ins: 0,
            confirmed: 0,
            sent: 0,
            answers: BTreeMap::new(),
        }
    }

    pub(crate) fn access(&self) -> &str {
        &self.access
    }

    /// Asks for this and that until told to stop.
    pub(crate) async fn use_until(mut self, stop: watch::Receiver<bool>) -> Self {
        let mut round = 0;
        while !*stop.borrow() {
            self.look().await;
            self.rename().await;
            self.renew().await;
            if round % 10 == 0 && self.sign_ins < MOST_SIGN_INS {
                self.leave().await;
                self.sign_in().await;
            }
            round += 1;
        }
        self
    }

    pub(crate) async fn look(&mut self) -> u16 {
        let answer = self.client.get_as(&self.access, "/api/v1/me").await;
        self.note("me", &answer).await
    }

    async fn rename(&mut self) {
        self.sent += 1;
        let body = json!({"first_name": format!("Visitor {}", self.sent)});
        let answer = self
            .client
            .patch_as(&self.access, "/api/v1/me", &body)
            .await;
        if self.note("rename", &answer).await == 200 {
            self.confirmed = self.sent;
        }
    }

    /// As a client does: what was not answered is asked again.
    async fn renew(&mut self) {
        loop {
            let body = json!({"refresh_token": self.refresh});
            let answer = self.client.post("/api/v1/auth/token/refresh", &body).await;
            if self.note("refresh", &answer).await == 200 {
                self.access = answer.text("/tokens/access_token");
                self.refresh = answer.text("/tokens/refresh_token");
                return;
            }
        }
    }

    async fn leave(&mut self) {
        let answer = self
            .client
            .post_as(&self.access, "/api/v1/auth/logout")
            .await;
        self.note("logout", &answer).await;
    }

    pub(crate) async fn sign_in(&mut self) {
        loop {
            self.sign_ins += 1;
            let body = json!({"identifier": self.email, "password": PASSWORD});
            let answer = self.client.post("/api/v1/auth/login", &body).await;
            if self.note("login", &answer).await == 200 {
                self.access = answer.text("/tokens/access_token");
                self.refresh = answer.text("/tokens/refresh_token");
                return;
            }
            // As the answer asks, so that an outage of seconds does not use up the sign-ins of a minute.
            sleep(Duration::from_secs(1)).await;
        }
    }

    /// An answer is right, or it is 503 and says when to come back. Nothing else ever, above all no 401: a
    /// store that is away does not make a token wrong.
    async fn note(&mut self, what: &'static str, answer: &Answer) -> u16 {
        let is_fine = (200..300).contains(&answer.status) || answer.is_unavailable();
        assert!(is_fine, "{what} of {}: {answer:?}", self.email);
        *self.answers.entry((what, answer.status)).or_default() += 1;
        sleep(PACE).await;
        answer.status
    }

    /// How often what was answered with this status.
    pub(crate) fn count(&self, status: u16) -> u32 {
        let counts = self.answers.iter();
        counts
            .filter(|((_, of), _)| *of == status)
            .map(|(_, count)| count)
            .sum()
    }

    /// What was confirmed is there, and what was not confirmed is there or it is not: nothing in between.
    pub(crate) async fn assert_promises_were_kept(&mut self) {
        let before = self.count(503);
        self.renew().await;
        let answer = self.client.get_as(&self.access, "/api/v1/me").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(self.count(503), before, "nothing is wrong any more");
        let name = &answer.body["data"]["profile"]["first_name"];
        let number = name.as_str().map_or(0, |name| {
            let number = name.trim_start_matches("Visitor ");
            number.parse().expect("a name of theirs")
        });
        assert!(
            (self.confirmed..=self.sent).contains(&number),
            "{name} of {}, confirmed {}",
            self.email,
            self.confirmed
        );
    }
}

/// Several, each with an account.
pub(crate) async fn visitors(client: &Client, how_many: usize) -> Vec<Visitor> {
    let mut visitors = JoinSet::new();
    for number in 0..how_many {
        let client = client.clone();
        visitors.spawn(async move { Visitor::register(&client, number).await });
    }
    visitors.join_all().await
}

/// Lets all of them use the service while `work` is done, and for as long again as a few requests take.
pub(crate) async fn all_the_while(
    visitors: Vec<Visitor>,
    work: impl Future<Output = ()>,
) -> Vec<Visitor> {
    let (stop, stopped) = watch::channel(false);
    let mut busy = JoinSet::new();
    for visitor in visitors {
        busy.spawn(visitor.use_until(stopped.clone()));
    }
    tokio::select! {
        () = work => {}
        // Nobody ends by themselves: this is somebody whose expectation broke.
        Some(broken) = busy.join_next() => drop(broken.expect("an expectation holds")),
    }
    stop.send_replace(true);
    busy.join_all().await
}

/// As long as a dozen requests of a visitor.
pub(crate) async fn a_moment() {
    sleep(PACE * 12).await;
}
