//! Which of the rights that the service needs its user lacks, found out by trying each command.
//!
//! A server judges a command by its rights before it looks at what it is about, so each is sent in a form that does
//! nothing: about a key that holds another type, or with an argument that no server takes. That key goes by itself
//! after a second, also where nothing may be removed.

use deadpool_redis::redis::{Cmd, RedisError, Value, cmd};
use tokio::time::timeout;

use crate::{
    connection::RedisConnection,
    health::RedisTrouble,
    reason::{Denied, Reason, denied, no_answer},
    servers::Opened,
};

/// The rights of [`crate::RIGHTS`] that are for looks alone, without the plus.
const FOR_LOOKS: [&str; 3] = ["role", "cluster|slots", "info"];
/// A digest that no script has.
const NO_SCRIPT: &str = "0000000000000000000000000000000000000000";

/// What a user lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingRights {
    /// What the service works with, as rules of an ACL: `+get`, or `~fa:*` where the keys themselves are refused.
    pub needed: Vec<String>,
    /// What only looks need, likewise.
    pub for_looks: Vec<String>,
}

impl RedisConnection {
    /// Tries every command of [`crate::RIGHTS`], each by itself, and `XADD` only on the stream that is named. Telling
    /// and listening are left to [`Self::health`] and [`Self::hear_oneself`]. Leaves nothing behind.
    ///
    /// # Errors
    /// [`RedisTrouble::Unusable`]: the server is away.
    pub async fn missing_rights(
        &self,
        stream: Option<&str>,
    ) -> Result<MissingRights, RedisTrouble> {
        let unusable = |error: RedisError| RedisTrouble::Unusable(Reason(&error).to_string());
        // Not by the way of calls: the first refusal would close it to all others.
        let opened = self.servers().open().await.map_err(unusable)?;
        let mut missing = MissingRights::default();
        for (right, command) in self.trials() {
            // Without these it would stay.
            let would_stay = missing.lacks("set") && missing.lacks("del");
            if would_stay && matches!(right, "hset" | "hsetnx") {
                continue;
            }
            let refused = self.refused(&opened, &command).await.map_err(unusable)?;
            missing.note(right, refused, || format!("~{}*", self.keys().prefix()));
        }
        if let Some(stream) = stream {
            let there = self.of_key(stream);
            let opened = there.servers().open().await.map_err(unusable)?;
            let mut append = cmd("XADD");
            // No entry may have that id, and the server says so before it makes the stream.
            append.arg(stream).arg("0-0").arg(&["field", "1"]);
            let refused = self.refused(&opened, &append).await.map_err(unusable)?;
            missing.note("xadd", refused, || format!("~{stream}"));
        }
        Ok(missing)
    }

    /// Each right with its command, in an order in which the last one clears away.
    fn trials(&self) -> Vec<(&'static str, Cmd)> {
        let key = self.keys().rights();
        let of = |name: &str, more: &[&str]| {
            let mut command = cmd(name);
            command.arg(&key).arg(more);
            command
        };
        let plain = |name: &str, more: &[&str]| {
            let mut command = cmd(name);
            command.arg(more);
            command
        };
        let script = include_str!("lua/attempt.lua");
        let mut trials = vec![
            ("ping", plain("PING", &[])),
            ("time", plain("TIME", &[])),
            ("role", plain("ROLE", &[])),
            ("info", plain("INFO", &["server"])),
            ("evalsha", plain("EVALSHA", &[NO_SCRIPT, "1", &key])),
            ("script|load", plain("SCRIPT", &["LOAD", script])),
            ("exists", of("EXISTS", &[])),
            // From here on it is a text, and every command about a hash is wrong of it.
            ("set", of("SET", &["1", "PX", "1000"])),
            ("get", of("GET", &[])),
            ("pexpire", of("PEXPIRE", &["1000"])),
            ("pttl", of("PTTL", &[])),
            ("hset", of("HSET", &["field", "1"])),
            ("hsetnx", of("HSETNX", &["field", "1"])),
            ("hget", of("HGET", &["field"])),
            ("hmget", of("HMGET", &["field"])),
            ("hgetall", of("HGETALL", &[])),
            ("hdel", of("HDEL", &["field"])),
            // No number to add.
            ("hincrby", of("HINCRBY", &["field", "none"])),
            ("del", of("DEL", &[])),
        ];
        if self.servers().is_cluster() {
            trials.push(("cluster|slots", plain("CLUSTER", &["SLOTS"])));
        }
        trials
    }

    /// How a command is refused, if it is for want of a right. What else is wrong with it is meant to be.
    async fn refused(&self, opened: &Opened, command: &Cmd) -> Result<Option<Denied>, RedisError> {
        let mut connection = opened.connection.clone();
        let asked = command.query_async::<Value>(&mut connection);
        let answer = timeout(self.response_timeout(), asked).await;
        match answer.unwrap_or_else(|_| Err(no_answer())) {
            Ok(_) => Ok(None),
            Err(error) if error.code().is_some() => Ok(denied(&error)),
            Err(error) => Err(error),
        }
    }
}

impl MissingRights {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.needed.is_empty() && self.for_looks.is_empty()
    }

    fn lacks(&self, right: &str) -> bool {
        let is_it = |it: &String| it.strip_prefix('+') == Some(right) || it.starts_with('~');
        self.needed.iter().any(is_it)
    }

    fn note(&mut self, right: &str, refused: Option<Denied>, keys: impl Fn() -> String) {
        let rule = match refused {
            None => return,
            Some(Denied::Command) => format!("+{right}"),
            Some(Denied::What) => keys(),
        };
        let list = if FOR_LOOKS.contains(&right) {
            &mut self.for_looks
        } else {
            &mut self.needed
        };
        if !list.contains(&rule) {
            list.push(rule);
        }
    }
}
