//! `serve`: runs the service until it is requested to stop.

use std::{fmt::Write as _, io::Write as _, path::Path};

use super::Failure;
use crate::{
    Application, StartError,
    config::{Config, LogFormat, SenderChoice, Variables},
    connections::raise_file_limit,
    shutdown::{ShutdownSignals, end_in_any_case},
    telemetry::{LogOutput, Telemetry},
    wire::Overrides,
};

/// Threads for background tasks; those that serve requests have their own.
const BACKGROUND_THREADS: usize = 2;

pub(super) fn run(config: Option<&Path>) -> Result<(), Failure> {
    let config = Config::for_serving(config, &Variables::of_this_process())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(BACKGROUND_THREADS)
        .enable_all()
        .build()?;
    let served = runtime.block_on(async {
        let mut signals = ShutdownSignals::listen()?;
        let mut telemetry = Telemetry::start(&config.telemetry).map_err(Failure::other)?;
        end_in_any_case(telemetry.log())?;
        let format = config.telemetry.log_format;
        let served = Box::pin(serve(config, &mut signals, &mut telemetry)).await;
        let served = match served {
            Err(failure @ Failure::Other(_)) if format == LogFormat::Json => {
                tracing::error!(reason = %failure, "the service cannot go on");
                Err(Failure::Told)
            }
            served => served,
        };
        telemetry.flush().await;
        served
    });
    // Exports are complete. Does not wait for a DNS resolver thread that hangs.
    runtime.shutdown_background();
    served
}

async fn serve(
    config: Config,
    signals: &mut ShutdownSignals,
    telemetry: &mut Telemetry,
) -> Result<(), Failure> {
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    raise_file_limit();
    let shown = Shown::of(&config);
    let application = Application::build(config, Overrides::default()).await?;
    telemetry.adopt(application.metrics());
    let (public, management) = (
        application.public_address(),
        application.management_address(),
    );
    tracing::info!(%public, %management, version = env!("CARGO_PKG_VERSION"), "ready");
    shown.print(&application, telemetry.log());
    let asked = async {
        let signal = signals.received().await;
        tracing::info!(signal, "draining");
    };
    application.run_until(asked).await.map_err(Failure::other)?;
    tracing::info!("ended");
    Ok(())
}

/// The lines printed at the start for a person at a terminal.
struct Shown {
    welcome: bool,
    mailbox: bool,
}

impl Shown {
    fn of(config: &Config) -> Self {
        Self {
            welcome: !config.is_production() && config.telemetry.log_format == LogFormat::Text,
            mailbox: config.messages.sender == Some(SenderChoice::Mailbox),
        }
    }

    fn print(&self, application: &Application, mut log: LogOutput) {
        if !self.welcome {
            return;
        }
        let public = application.public_address();
        let management = application.management_address();
        let mut text = String::new();
        let _ = write!(
            text,
            "\nfashionistar-auth is ready (development mode)\n\n  \
             API      http://{public}/api/v1\n  \
             Docs     http://{public}/docs\n"
        );
        if self.mailbox {
            let _ = writeln!(text, "  Mailbox  http://{public}/dev/mailbox");
        }
        let _ = writeln!(text, "  Health   http://{management}/health/ready\n");
        let _ = log.write_all(text.as_bytes());
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Config(mistakes) => Self::Configuration(mistakes),
            other => Self::other(other),
        }
    }
}
