//! All settings, and the checks before the service starts with them.
//!
//! Precedence, lowest first: defaults, a TOML file (`--config FILE` or the variable `FASHIONISTAR_AUTH__CONFIG`),
//! the environment variables `FASHIONISTAR_AUTH__SECTION__KEY`. All mistakes are reported together, each with its
//! source; an unknown name is a mistake too. `docs/configuration.md` lists the settings for operators.
//!
//! Only this module reads the environment. Each adapter receives its own section, never the whole configuration.

mod connections;
mod credentials;
mod database;
mod documented;
mod events;
mod http;
mod in_effect;
mod keys;
mod kinds;
mod lines;
mod messages;
mod mfa;
mod mistake;
mod passwords;
mod production;
mod protection;
mod providers;
mod reader;
mod redis;
mod secret_files;
mod sources;
mod suggestion;
mod telemetry;
#[cfg(test)]
mod tests;
mod tokens;
mod transport;
mod webauthn;

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

pub use connections::ConnectionSettings;
pub use database::DatabaseSettings;
pub use events::{EventSettings, SinkChoice, WebhookSettings};
pub use http::{HttpSettings, ManagementSettings};
pub use in_effect::InEffect;
pub use keys::KeySettings;
pub use messages::{
    EmailProvider, EmailSettings, MessageSettings, SenderChoice, SmsProvider, SmsSettings,
    SmtpSettings,
};
pub use mfa::MfaSettings;
pub use mistake::{Mistake, Mistakes, Place};
pub use passwords::PasswordSettings;
pub use protection::ProtectionSettings;
pub use providers::ProviderSettings;
pub use redis::{RedisMode, RedisSettings};
pub use sources::Variables;
pub use telemetry::{LogFormat, TelemetrySettings};
pub use tokens::TokenSettings;
pub use webauthn::{RelyingPartyInEffect, WebAuthnSettings};

use mistake::Places;
use reader::{Finished, Reader};
use sources::Sources;

/// The mode of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A single developer on one machine: embedded components, keys generated on the first start.
    Development,
    /// Real users: refuses everything that is for development only.
    Production,
}

/// All settings. `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// `mode`: `development` (default) or `production`.
    pub mode: Mode,
    /// `data_dir`: the folder of the embedded database and its keys. Default `./data`.
    pub data_dir: PathBuf,
    /// `http.…`
    pub http: HttpSettings,
    /// `management.…`
    pub management: ManagementSettings,
    /// `database.…`
    pub database: DatabaseSettings,
    /// `redis.…`
    pub redis: RedisSettings,
    /// `protection.…`
    pub protection: ProtectionSettings,
    /// `mfa.…`
    pub mfa: MfaSettings,
    /// `tokens.…`
    pub tokens: TokenSettings,
    /// `passwords.…`
    pub passwords: PasswordSettings,
    /// `google.…`
    pub google: ProviderSettings,
    /// `providers.NAME.…`, by name.
    pub providers: Vec<ProviderSettings>,
    /// `keys.…`
    pub keys: KeySettings,
    /// `messages.…`
    pub messages: MessageSettings,
    /// `events.…`
    pub events: EventSettings,
    /// `telemetry.…`
    pub telemetry: TelemetrySettings,
    /// `webauthn.…`
    pub webauthn: WebAuthnSettings,
    places: Places,
    in_effect: Vec<InEffect>,
}

impl Config {
    /// The settings to serve with.
    ///
    /// # Errors
    /// [`Mistakes`]: all of them, including those that are mistakes in production mode only.
    pub fn for_serving(file: Option<&Path>, variables: &Variables) -> Result<Self, Mistakes> {
        let (config, mut mistakes) = Self::read(file, variables);
        mistakes.extend(config.validate());
        Mistakes::none_in(mistakes).map(|()| config)
    }

    /// The settings for a command that does not serve requests (such as `migrate`) and requires fewer settings.
    ///
    /// # Errors
    /// [`Mistakes`]: all invalid values, and unknown names.
    pub fn for_commands(file: Option<&Path>, variables: &Variables) -> Result<Self, Mistakes> {
        let (config, mistakes) = Self::read(file, variables);
        Mistakes::none_in(mistakes).map(|()| config)
    }

    /// Every setting with its value and its source, in the order of `docs/configuration.md`, and the mistakes.
    /// Secrets are masked.
    pub fn settings_in_effect(
        file: Option<&Path>,
        variables: &Variables,
    ) -> (Vec<InEffect>, Option<Mistakes>) {
        let (config, mut mistakes) = Self::read(file, variables);
        mistakes.extend(config.validate());
        (config.in_effect, Mistakes::none_in(mistakes).err())
    }

    /// The settings for a node that only relays events.
    ///
    /// # Errors
    /// [`Mistakes`], as for commands, and those of `events` and the settings that it requires.
    pub fn for_relaying(file: Option<&Path>, variables: &Variables) -> Result<Self, Mistakes> {
        let (config, mut mistakes) = Self::read(file, variables);
        mistakes.extend(config.events.mistakes(&config));
        let mut refuse = |setting, reason: &str| mistakes.push(config.mistake(setting, reason));
        config.check_redis(&mut refuse);
        if config.is_production() {
            config.refuse_weak_passwords(&mut refuse);
        }
        if config.events.sinks.is_empty() {
            mistakes.push(config.mistake("events.sinks", "must be set to relay events"));
        }
        Mistakes::none_in(mistakes).map(|()| config)
    }

    /// For tests in this process: free ports, all files in `data_dir`, and no rate limits by address for loopback.
    pub fn for_tests(data_dir: &Path) -> Self {
        let mut config = Self::default();
        data_dir.clone_into(&mut config.data_dir);
        config.http.listen.set_port(0);
        config.http.workers = 2;
        config.management.listen.set_port(0);
        config.protection.exempt_networks = vec![IpAddr::from(Ipv4Addr::LOCALHOST).into()];
        config
    }

    /// Whether the service runs in production mode.
    pub fn is_production(&self) -> bool {
        self.mode == Mode::Production
    }

    /// A mistake of this setting that was found when it was used.
    pub(crate) fn mistake(&self, setting: &str, reason: impl Into<String>) -> Mistake {
        Mistake {
            setting: setting.to_owned(),
            place: self.places.of(setting),
            reason: reason.into(),
        }
    }

    fn is_set(&self, setting: &str) -> bool {
        self.places.of(setting) != Place::Unset
    }

    fn read(file: Option<&Path>, variables: &Variables) -> (Self, Vec<Mistake>) {
        let (sources, mut mistakes) = Sources::gather(file, variables);
        let mut reader = Reader::new(&sources);
        let modes = &[
            ("development", Mode::Development),
            ("production", Mode::Production),
        ];
        let mode = reader.setting("mode", kinds::choice(modes));
        let mode = mode.unwrap_or(Mode::Development);
        let config = Self {
            mode,
            data_dir: reader
                .setting("data_dir", kinds::path)
                .unwrap_or_else(|| PathBuf::from("./data")),
            http: HttpSettings::read(&mut reader, mode),
            management: ManagementSettings::read(&mut reader),
            database: DatabaseSettings::read(&mut reader),
            redis: RedisSettings::read(&mut reader),
            protection: ProtectionSettings::read(&mut reader),
            mfa: MfaSettings::read(&mut reader),
            tokens: TokenSettings::read(&mut reader),
            passwords: PasswordSettings::read(&mut reader),
            google: ProviderSettings::google(&mut reader),
            providers: ProviderSettings::others(&mut reader),
            keys: KeySettings::read(&mut reader),
            messages: MessageSettings::read(&mut reader, mode),
            events: EventSettings::read(&mut reader, mode),
            telemetry: TelemetrySettings::read(&mut reader, mode),
            webauthn: WebAuthnSettings::read(&mut reader),
            places: Places::default(),
            in_effect: Vec::new(),
        };
        let Finished {
            places,
            mut in_effect,
            mistakes: found,
        } = reader.finish();
        documented::fill_in_defaults(&mut in_effect);
        mistakes.extend(found);
        let config = Self {
            places,
            in_effect,
            ..config
        };
        mistakes.extend(config.too_soon_for_keys());
        (config, mistakes)
    }
}

impl Default for Config {
    /// The configuration without any setting.
    fn default() -> Self {
        Self::read(None, &Variables::default()).0
    }
}
