//! `passwords.…`: the cost of hashing, and the minimum length.

use std::time::Duration;

use authentication_domain::credentials::ContextWords;
use figment::value::Value;

use super::{
    Config,
    http::cores,
    kinds::{self, Parsed},
    reader::Reader,
};

/// argon2id (RFC 9106) and its pool. The hasher decides which combinations are too weak.
#[derive(Debug, Clone)]
pub struct PasswordSettings {
    /// `passwords.memory_kib`: memory of one hash in KiB. Default 19,456.
    pub memory_kib: u32,
    /// `passwords.iterations`: passes over the memory. Default 2.
    pub iterations: u32,
    /// `passwords.parallelism`: lanes. Default 1.
    pub parallelism: u32,
    /// `passwords.threads`: hashes computed in parallel. Default: cores.
    pub threads: usize,
    /// `passwords.queue`: hashes that may wait; a request beyond that is answered with 503 at once. Default 64.
    pub queue: usize,
    /// `passwords.minimum_length`: the fewest characters of a new password. Default 8, which is also the minimum
    /// (OWASP ASVS 5.0 V6.2.1); staff always need 15.
    pub minimum_length: usize,
    /// `passwords.refusal_floor_ms`: the shortest time until a wrong password is answered, so that response times
    /// do not reveal accounts whose imported hash costs more than the service's own; less than half of
    /// `http.request_deadline_seconds`. Default 0.
    pub refusal_floor: Duration,
    /// `passwords.context_words`: words of which a password must not consist. Default: those of `messages.product`,
    /// the service's own, and the names of roles.
    pub context_words: Option<Vec<String>>,
}

impl PasswordSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let settings = Self {
            memory_kib: reader
                .setting("passwords.memory_kib", kinds::number(7_168..=1_048_576))
                .unwrap_or(19_456),
            iterations: reader
                .setting("passwords.iterations", kinds::number(1..=32))
                .unwrap_or(2),
            parallelism: reader
                .setting("passwords.parallelism", kinds::number(1..=16))
                .unwrap_or(1),
            threads: reader
                .setting("passwords.threads", kinds::number(1..=256))
                .unwrap_or_else(cores),
            queue: reader
                .setting("passwords.queue", kinds::number(1..=10_000))
                .unwrap_or(64),
            minimum_length: reader
                .setting("passwords.minimum_length", kinds::number(8..=64))
                .unwrap_or(8),
            refusal_floor: reader
                .setting("passwords.refusal_floor_ms", kinds::number(0..=5_000))
                .map_or(Duration::ZERO, Duration::from_millis),
            context_words: reader.setting("passwords.context_words", context_words),
        };
        reader.default_is("passwords.threads", settings.threads);
        settings
    }
}

/// Words of valid length, and not too many of them.
fn context_words(value: &Value) -> Parsed<Vec<String>> {
    let (shortest, longest) = (ContextWords::SHORTEST, ContextWords::LONGEST);
    let word = |value: &Value| {
        let word = kinds::text(value)?.trim().to_owned();
        if (shortest..=longest).contains(&word.chars().count()) {
            Ok(word)
        } else {
            Err(format!(
                "must be words of {shortest} to {longest} characters"
            ))
        }
    };
    let words = kinds::list(word)(value)?;
    if words.len() > ContextWords::MOST {
        return Err(format!("must be {} words at the most", ContextWords::MOST));
    }
    Ok(words)
}

impl Config {
    /// The steps after a mismatch, above all counting it, need time too.
    pub(super) fn check_passwords(&self, refuse: &mut impl FnMut(&'static str, &str)) {
        if self.passwords.refusal_floor >= self.http.request_deadline / 2 {
            let reason = "must be less than half of http.request_deadline_seconds";
            refuse("passwords.refusal_floor_ms", reason);
        }
    }
}
