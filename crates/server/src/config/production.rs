//! Conflicts between settings, and the restrictions of production mode.
//!
//! Settings that suit one developer on one machine are dangerous for real users: production mode refuses every
//! setting that would work only by chance.

use url::Url;

use super::{
    Config, EmailProvider, Mistake, SenderChoice, SmsProvider,
    credentials::{is_weak_for_postgres, is_weak_for_redis},
    transport::{is_private_to_postgres, is_private_to_redis},
};

impl Config {
    /// Conflicts between settings that are valid on their own.
    pub(super) fn validate(&self) -> Vec<Mistake> {
        let mut found = Vec::new();
        if self.keys.file.is_some() && self.keys.json.is_some() {
            found.push(self.two_key_rings());
        }
        let mut refuse = |setting, reason: &str| found.push(self.mistake(setting, reason));
        let (public, management) = (self.http.listen, self.management.listen);
        if public == management && public.port() != 0 {
            refuse("management.listen", "must not be the same as http.listen");
        }
        if self.is_production() {
            self.refuse_what_is_for_development(&mut refuse);
        }
        self.check_redis(&mut refuse);
        if self.database.asks_for_a_replica() {
            let reason = "must not ask for a server that takes no writes (target_session_attrs): name replicas \
                          in database.replica_urls";
            refuse("database.url", reason);
        }
        self.check_passwords(&mut refuse);
        self.check_connections(&mut refuse);
        self.check_messages(&mut refuse);
        found.extend(self.mistakes_in_providers());
        found.extend(self.events.mistakes(self));
        found.extend(self.webauthn.mistakes(self));
        found
    }

    /// Separate from the other checks, because commands that do not serve requests check less; they, too, must know
    /// which key ring is meant.
    pub(crate) fn two_key_rings(&self) -> Mistake {
        self.mistake("keys.json", "must not be set together with keys.file")
    }

    fn refuse_what_is_for_development(&self, refuse: &mut impl FnMut(&'static str, &str)) {
        let is_https = |url: &Url| url.scheme() == "https";
        match &self.http.public_url {
            None => refuse("http.public_url", "must be set in production mode"),
            Some(url) if !is_https(url) => {
                refuse(
                    "http.public_url",
                    "must begin with https:// in production mode",
                );
            }
            Some(_) => {}
        }
        // A value that was rejected is in the list already.
        let is_refused = self.database.url.is_none() && self.is_set("database.url");
        if !self.database.is_postgres() && !is_refused {
            let reason = "must be a postgres:// URL in production mode: the embedded database is one \
                          node's own";
            refuse("database.url", reason);
        }
        self.refuse_weak_passwords(refuse);
        if !self.protection.exempt_networks.is_empty() {
            let reason = "must not be set in production mode: it lifts the limits by address";
            refuse("protection.exempt_networks", reason);
        }
        if self.keys.file.is_none() && self.keys.json.is_none() {
            let reason = "must be set in production mode, or keys.json in its place: the service makes \
                          its own keys in development mode only (fashionistar-auth keys generate)";
            refuse("keys.file", reason);
        }
    }

    /// An attacker who can use a store has every session in it.
    pub(super) fn refuse_weak_passwords(&self, refuse: &mut impl FnMut(&'static str, &str)) {
        if !self.database.allow_weak_credentials && self.database.is_postgres() {
            let reason = "must hold a password of 12 characters or more that is not well known in \
                          production mode, or name a socket or a client certificate in its place \
                          (database.allow_weak_credentials lifts this)";
            if self.database.url.iter().any(is_weak_for_postgres) {
                refuse("database.url", reason);
            }
            if self.database.replica_urls.iter().any(is_weak_for_postgres) {
                refuse("database.replica_urls", reason);
            }
        }
        if !self.redis.allow_weak_credentials {
            let reason = "must hold a password of 12 characters or more that is not well known in \
                          production mode (redis.allow_weak_credentials lifts this)";
            if self.redis.url.iter().any(is_weak_for_redis) {
                refuse("redis.url", reason);
            }
            // An attacker who controls a sentinel can redirect the service to another Redis.
            if self.redis.sentinel_urls.iter().any(is_weak_for_redis) {
                refuse("redis.sentinel.urls", reason);
            }
        }
    }

    /// Problems that an operator should know of, and that do not prevent the start.
    pub fn warnings(&self) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        if self.is_production() {
            self.warn_of_production(&mut warnings);
        }
        if self.messages.sender == Some(SenderChoice::Nobody) {
            warnings.push(
                "messages.sender is none: nobody gets a code or a notice, so nobody can register or \
                 reset a password; messages stay queued",
            );
        }
        if self.messages.reaches_people() {
            if self.messages.email.provider == Some(EmailProvider::Nobody) {
                warnings.push("messages.email.provider is none: nobody gets a code by mail");
            }
            if self.messages.sms.provider == Some(SmsProvider::Nobody) {
                warnings.push("messages.sms.provider is none: nobody gets a code by text message");
            }
        }
        warnings
    }

    /// Settings that production mode does not require, but should have.
    fn warn_of_production(&self, warnings: &mut Vec<&'static str>) {
        if self.http.trusted_proxies.is_empty() {
            warnings.push(
                "http.trusted_proxies is not set: everybody counts as the one address of the proxy in \
                 front, so the limits by address close the service to all at once",
            );
        }
        let mut databases = self.database.url.iter().chain(&self.database.replica_urls);
        if !databases.all(is_private_to_postgres) {
            warnings.push(
                "database.url or one of database.replica_urls lacks sslmode=verify-full: whoever sits in \
                 the network between can read along, or pass for the database",
            );
        }
        if self.database.allow_weak_credentials {
            warnings.push(
                "database.allow_weak_credentials is set: whoever reaches the database may be able to use it",
            );
        }
        if self.redis.allow_weak_credentials {
            warnings.push(
                "redis.allow_weak_credentials is set: whoever reaches Redis may be able to use it",
            );
        }
        if self.redis.url.is_none() {
            warnings.push(
                "redis.url is not set: limits and ended sessions are known to this node only, so run \
                 no more than one",
            );
        }
        if !self.redis.urls().all(is_private_to_redis) {
            warnings.push(
                "redis.url or one of redis.sentinel.urls does not begin with rediss://: whoever sits in \
                 the network between can read along, or pass for Redis",
            );
        }
        if self.webauthn.rp_id.is_none() {
            warnings.push(
                "webauthn.rp_id is not set: passkeys belong to the host of http.public_url, for good, and \
                 pages of the site elsewhere cannot ask for them",
            );
        }
        if self.events.sinks.is_empty() {
            warnings.push(
                "events.sinks is not set: this node hands no events to other systems, and nobody gets \
                 them unless another one does",
            );
        }
    }
}
