//! The people who use the service during a run.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    Result,
    http::{Answer, Connection},
    service::thread_sleep,
};

/// A password that satisfies the policy.
pub(crate) const PASSWORD: &str = "lilac-Harbour-42-zeppelin";
/// A password that no account has.
pub(crate) const WRONG_PASSWORD: &str = "copper-Meadow-77-obelisk";

/// How long to wait for the worker to send all codes.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many codes are read at once. The mailbox keeps 10,000 messages.
pub(crate) const AT_ONCE: usize = 2_000;

/// A person whose registration waits for the code.
#[derive(Clone)]
pub(crate) struct Applicant {
    pub(crate) email: String,
    pub(crate) challenge: String,
}

/// A registered person who is signed in.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) email: String,
    pub(crate) id: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

pub(crate) fn registration(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD})
}

pub(crate) fn proof(applicant: &Applicant, code: &str) -> Value {
    json!({"challenge_id": applicant.challenge, "code": code})
}

pub(crate) fn credentials(identifier: &str, password: &str) -> Value {
    json!({"identifier": identifier, "password": password})
}

impl Applicant {
    pub(crate) fn from(email: String, answer: &Answer) -> Result<Self> {
        let challenge = answer.text("/challenge_id")?;
        Ok(Self { email, challenge })
    }
}

impl Member {
    pub(crate) fn from(email: &str, answer: &Answer) -> Result<Self> {
        Ok(Self {
            email: email.to_owned(),
            id: answer.text("/user/id")?,
            access_token: answer.text("/tokens/access_token")?,
            refresh_token: answer.text("/tokens/refresh_token")?,
        })
    }
}

/// Starts registrations, up to the code.
pub(crate) fn apply(connection: &mut Connection, emails: &[String]) -> Result<Vec<Applicant>> {
    let path = "/api/v1/auth/register";
    let asked = emails.iter().map(|email| {
        let answer = connection.post(path, &registration(email))?.expect(202)?;
        Applicant::from(email.clone(), &answer)
    });
    asked.collect()
}

/// Waits until the worker has sent the codes of these people, and returns them.
pub(crate) fn codes_of(
    connection: &mut Connection,
    applicants: &[Applicant],
) -> Result<HashMap<String, String>> {
    let begun = Instant::now();
    loop {
        let mailbox = connection.get("/dev/mailbox")?.expect(200)?.json()?;
        let items = mailbox.get("items").and_then(Value::as_array);
        let items = items.map_or(&[][..], Vec::as_slice);
        let text = |item: &Value, name: &str| Some(item.get(name)?.as_str()?.to_owned());
        // The mailbox lists the newest message first. Reversed, the newest code replaces older ones.
        let codes: HashMap<_, _> = items
            .iter()
            .rev()
            .filter_map(|item| Some((text(item, "to")?, text(item, "code")?)))
            .collect();
        if applicants.iter().all(|it| codes.contains_key(&it.email)) {
            return Ok(codes);
        }
        if begun.elapsed() > PATIENCE {
            return Err("the codes do not arrive".into());
        }
        thread_sleep(Duration::from_millis(50));
    }
}

/// Completes registrations with their codes.
pub(crate) fn prove(
    connection: &mut Connection,
    applicants: &[Applicant],
    codes: &HashMap<String, String>,
) -> Result<Vec<Member>> {
    let path = "/api/v1/auth/verify-otp";
    let proven = applicants.iter().map(|applicant| {
        let code = codes.get(&applicant.email).ok_or("no code")?;
        let answer = connection
            .post(path, &proof(applicant, code))?
            .expect(201)?;
        Member::from(&applicant.email, &answer)
    });
    proven.collect()
}

/// Registers people completely.
pub(crate) fn register(connection: &mut Connection, emails: &[String]) -> Result<Vec<Member>> {
    let mut members = Vec::with_capacity(emails.len());
    for some in emails.chunks(AT_ONCE) {
        let applicants = apply(connection, some)?;
        let codes = codes_of(connection, &applicants)?;
        members.extend(prove(connection, &applicants, &codes)?);
    }
    Ok(members)
}
