//! Which of the required rights the service's user lacks, found out by trying each command.
//!
//! A server checks the rights for a command before it executes it. So each command is sent in a form that has no
//! effect: on a key that holds another type, or with an argument that every server rejects. The key has a TTL of one
//! second, so that it disappears even if the user may not delete it.

use deadpool_redis::redis::{Cmd, RedisError, Value, cmd};
use tokio::time::timeout;

use crate::{
    connection::RedisConnection,
    health::RedisTrouble,
    reason::{Denied, Reason, denied, no_answer},
    servers::Opened,
};

/// The rights of [`crate::RIGHTS`] that are only for inspection, without the plus.
const FOR_LOOKS: [&str; 3] = ["role", "cluster|slots", "info"];
/// A digest that no script has.
const NO_SCRIPT: &str = "0000000000000000000000000000000000000000";

/// The rights that a user lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingRights {
    /// The rights that the service needs to work, as ACL rules: `+get`, or `~fa:*` where access to the keys is refused.
    pub needed: Vec<String>,
    /// The rights that are only for inspection, as ACL rules.
    pub for_looks: Vec<String>,
}

impl RedisConnection {
    /// Tries every command of [`crate::RIGHTS`] individually; `XADD` only if a stream is given. Publishing and
    /// subscribing are left to [`Self::health`] and [`Self::hear_oneself`]. Leaves no key behind after a second.
    ///
    /// # Errors
    /// [`RedisTrouble::Unusable`]: the server cannot be reached.
    pub async fn missing_rights(
        &self,
        stream: Option<&str>,
    ) -> Result<MissingRights, RedisTrouble> {
        let unusable = |error: RedisError| RedisTrouble::Unusable(Reason(&error).to_string());
        // Not through `call`: the first refusal would open the circuit for all other callers.
        let opened = self.servers().open().await.map_err(unusable)?;
        let mut missing = MissingRights::default();
        for (right, command) in self.trials() {
            // Without `SET` and `DEL`, these two would leave a key behind that has no TTL.
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
            // An entry cannot have this id. The server rejects it before it creates the stream.
            append.arg(stream).arg("0-0").arg(&["field", "1"]);
            let refused = self.refused(&opened, &append).await.map_err(unusable)?;
            missing.note("xadd", refused, || format!("~{stream}"));
        }
        Ok(missing)
    }

    /// Each right with the command that needs it. The order matters: `DEL` comes last and removes the key.
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
            // From here on the key holds a string, so every hash command fails with a type error.
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
            // Not a number, so nothing can be added.
            ("hincrby", of("HINCRBY", &["field", "none"])),
            ("del", of("DEL", &[])),
        ];
        if self.servers().is_cluster() {
            trials.push(("cluster|slots", plain("CLUSTER", &["SLOTS"])));
        }
        trials
    }

    /// How a command is refused if a right is missing; `None` otherwise. Other errors are expected and ignored.
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
    /// Whether no right is missing.
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
