//! Somebody who registers, and goes on after every crash.

use std::{collections::HashMap, time::Duration};

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use crate::client::{Client, Codes, Gone};

const PASSWORD: &str = "lilac-Harbour-42-zeppelin";

/// Somebody who registers, with the answers they got.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) round: usize,
    email: String,
    /// From the 202.
    challenge: Option<String>,
    /// When a new code may be asked for; the one before may have gone into a mailbox that died.
    resend_at: Instant,
    resent: usize,
    code: Option<String>,
    /// A code that a newer one took the place of.
    superseded: Option<String>,
    /// A proof went out: unless it was answered, it may count or not.
    proof_sent: bool,
    pub(crate) registered: bool,
}

impl Person {
    pub(crate) fn new(round: usize, number: usize) -> Self {
        Self {
            round,
            email: format!("person-{round}-{number}@example.com"),
            challenge: None,
            resend_at: Instant::now(),
            resent: 0,
            code: None,
            superseded: None,
            proof_sent: false,
            registered: false,
        }
    }

    /// Goes on from the last answer until the account is there. A code is read when `crowd` people have one.
    pub(crate) async fn go_on(
        &mut self,
        client: &Client,
        codes: &mut Codes,
        crowd: usize,
    ) -> Result<(), Gone> {
        while !self.registered {
            match (self.challenge.clone(), self.code.clone()) {
                (None, _) => self.ask(client).await?,
                (Some(challenge), None) => {
                    self.wait_for_code(client, codes, &challenge, crowd).await?;
                }
                (Some(challenge), Some(code)) => self.prove(client, &challenge, &code).await?,
            }
        }
        Ok(())
    }

    async fn ask(&mut self, client: &Client) -> Result<(), Gone> {
        let body = json!({"email": self.email, "password": PASSWORD});
        let (status, answer) = client.post("/api/v1/auth/register", &body).await?;
        assert_eq!(status, 202, "{answer}");
        self.note_challenge(&answer);
        Ok(())
    }

    /// What waits in the queue comes by itself, also what a killed worker held: its lease ends. What was sent
    /// and not read before the kill has to be asked for again.
    async fn wait_for_code(
        &mut self,
        client: &Client,
        codes: &mut Codes,
        challenge: &str,
        crowd: usize,
    ) -> Result<(), Gone> {
        let superseded = self.superseded.clone();
        let is_new = |codes: &HashMap<String, String>| {
            let code = codes.get(&self.email);
            codes.len() >= crowd && code.is_some() && code != superseded.as_ref()
        };
        if let Ok(arrived) = timeout_at(self.resend_at, codes.wait_for(is_new)).await {
            self.code = arrived.map_err(|_| Gone)?.get(&self.email).cloned();
            return Ok(());
        }
        assert!(self.resent < 3, "no code arrives for {self:?}");
        let body = json!({"challenge_id": challenge});
        let (status, answer) = client.post("/api/v1/auth/resend-otp", &body).await?;
        assert_eq!(status, 202, "{self:?}: {answer}");
        self.resent += 1;
        self.note_challenge(&answer);
        Ok(())
    }

    fn note_challenge(&mut self, answer: &Value) {
        let data = &answer["data"];
        self.challenge = data["challenge_id"].as_str().map(str::to_owned);
        let seconds = data["resend_in"]
            .as_u64()
            .expect("seconds until a new code");
        self.resend_at = Instant::now() + Duration::from_secs(seconds.max(1));
    }

    /// A proof that was not answered came through, or it did not: then the code still counts.
    async fn prove(&mut self, client: &Client, challenge: &str, code: &str) -> Result<(), Gone> {
        let came_through = self.proof_sent && self.log_in(client).await?.0 == 200;
        self.proof_sent = true;
        let body = json!({"challenge_id": challenge, "code": code});
        let (status, answer) = client.post("/api/v1/auth/verify-otp", &body).await?;
        match status {
            // Done now, or done before and answered to this repeat.
            201 => self.registered = true,
            // Done before; the answer was given, and got lost on its way.
            401 if came_through => self.registered = true,
            // Asked for again in the same moment in which it arrived.
            401 if self.resent > 0 && self.superseded.is_none() => {
                self.superseded = self.code.take();
                self.proof_sent = false;
            }
            _ => panic!("{status} {answer} for {self:?}, came through: {came_through}"),
        }
        Ok(())
    }

    async fn log_in(&self, client: &Client) -> Result<(u16, Value), Gone> {
        let body = json!({"identifier": self.email, "password": PASSWORD});
        client.post("/api/v1/auth/login", &body).await
    }

    pub(crate) async fn assert_signs_in(&self, client: &Client) {
        let (status, answer) = self.log_in(client).await.expect("an answer");
        assert_eq!(status, 200, "{answer} for {self:?}");
        let token = answer["data"]["tokens"]["access_token"]
            .as_str()
            .expect("a token");
        let (status, answer) = client
            .get("/api/v1/me", Some(token))
            .await
            .expect("an answer");
        assert_eq!(status, 200, "{answer} for {self:?}");
        assert_eq!(answer["data"]["email"], self.email.as_str(), "{answer}");
    }
}
