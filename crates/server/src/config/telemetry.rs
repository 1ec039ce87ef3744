//! `telemetry.…`: logs, traces, metrics and error reports.

use figment::value::Value;
use secrecy::SecretString;
use sentry::types::Dsn;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{EnvFilter, filter::ParseError};
use url::Url;

use super::{
    Mode,
    kinds::{self, Parsed},
    reader::Reader,
};

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The phone number library writes its input to its trace, so it is off even at level `trace`.
const SILENT: &str = "rlibphonenumber=off";

const DEFAULT_LOG: &str = "info";
/// The levels of libraries, also at `debug`, unless the filter names them. The HTTP parser is off, because invalid
/// HTTP from clients is not an error of the service.
const LIBRARIES: &str = "actix_http=off,actix_server=warn,actix_web=warn,h2=warn,hyper=warn,hyper_util=warn,\
     lettre=warn,mio=warn,opentelemetry=warn,redis=warn,reqwest=warn,rustls=warn,rustls_platform_verifier=warn,\
     sea_orm=warn,sea_orm_migration=warn,sqlx=warn,tokio_util=warn,tower=warn";

/// The telemetry of the service.
#[derive(Debug, Clone)]
pub struct TelemetrySettings {
    /// `telemetry.otlp_endpoint`: base URL of an OpenTelemetry collector (OTLP over HTTP); traces go to
    /// `/v1/traces` and metrics to `/v1/metrics` under it. Absent (default): no export.
    pub otlp_endpoint: Option<Url>,
    /// `telemetry.sentry_dsn`: the Sentry project for reports of errors and panics. Absent (default): no reports.
    pub sentry_dsn: Option<SecretString>,
    /// `telemetry.sentry_environment`: the environment in reports. Default: the mode.
    pub sentry_environment: String,
    /// `telemetry.sentry_sample_rate`: the fraction of reports that are sent, from 0 to 1. Default 1.
    pub sentry_sample_rate: f32,
    /// `telemetry.log`: the filter of log lines, in the syntax of `tracing`: `info`, or
    /// `info,authentication_app=debug`. Default: `info`. Libraries log from `warn`, unless the filter names them.
    pub log: String,
    /// `telemetry.log_format`: `text` or `json`. Default: `json` in production mode, otherwise `text`.
    pub log_format: LogFormat,
}

impl TelemetrySettings {
    /// The filter of log lines, including libraries.
    ///
    /// # Errors
    /// [`ParseError`], which the check of [`Self::log`] rules out.
    pub(crate) fn filter(&self) -> Result<EnvFilter, ParseError> {
        // If two directives have the same target, the later one applies.
        EnvFilter::builder().parse(format!("{LIBRARIES},{},{SILENT}", self.log))
    }

    pub(super) fn read(reader: &mut Reader<'_>, mode: Mode) -> Self {
        let formats = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
        let (environment, default_format, format_name) = match mode {
            Mode::Development => ("development", LogFormat::Text, "text"),
            Mode::Production => ("production", LogFormat::Json, "json"),
        };
        let settings = Self {
            otlp_endpoint: reader.setting("telemetry.otlp_endpoint", kinds::web_url),
            sentry_dsn: reader.setting("telemetry.sentry_dsn", dsn),
            sentry_environment: reader
                .setting("telemetry.sentry_environment", kinds::text)
                .unwrap_or_else(|| environment.to_owned()),
            sentry_sample_rate: reader
                .setting("telemetry.sentry_sample_rate", kinds::share)
                .unwrap_or(1.0),
            log: reader
                .setting("telemetry.log", filter)
                .unwrap_or_else(|| DEFAULT_LOG.to_owned()),
            log_format: reader
                .setting("telemetry.log_format", kinds::choice(formats))
                .unwrap_or(default_format),
        };
        reader.default_is("telemetry.sentry_environment", environment);
        reader.default_is("telemetry.log_format", format_name);
        settings
    }
}

/// The address of a Sentry project. It contains a key, though one of low sensitivity.
fn dsn(value: &Value) -> Parsed<SecretString> {
    let text = kinds::text(value)?;
    match text.trim().parse::<Dsn>() {
        Ok(_) => Ok(text.trim().into()),
        Err(_) => Err(
            "must be a DSN as Sentry shows it, such as https://key@sentry.example.com/1".to_owned(),
        ),
    }
}

/// A single word must be a level: as a target, which is valid too, it would silence everything else.
fn filter(value: &Value) -> Parsed<String> {
    let text = kinds::text(value)?;
    let is_meant = |part: &str| part.contains('=') || part.parse::<LevelFilter>().is_ok();
    if text.split(',').all(is_meant) && EnvFilter::builder().parse(&text).is_ok() {
        Ok(text)
    } else {
        Err("must be a filter, such as info or warn,authentication_app=debug".to_owned())
    }
}
