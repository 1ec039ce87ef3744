//! `events`: the backlog of events for other systems, and a node that relays them.

use std::{
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use authentication_app::ports::{
    DestinationBacklog, ParkedEvent, ParkedSelection, StoreError, SwitchedOn,
};
use authentication_domain::events::EventId;
use clap::{Args, Subcommand};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::Failure;
use crate::{
    application::{listen, serve_vitals},
    config::{Config, Variables},
    shutdown::{ShutdownSignals, end_in_any_case},
    telemetry::Telemetry,
    wire::{EventDesk, RelayNode},
};

#[derive(Debug, Subcommand)]
pub(super) enum Events {
    /// Relays events until SIGTERM or SIGINT, and does nothing else
    Relay,
    /// Tells for each destination how many accounts wait, for how long, and how many events are parked
    Status(Form),
    /// Lists the events that were given up
    Parked(Form),
    /// Sends events that were given up once more, after the later ones of their account
    #[command(arg_required_else_help = true)]
    Resend {
        /// The id of one
        #[arg(value_name = "ID", required_unless_present = "all")]
        id: Option<EventId>,
        /// All of them
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
    /// Sends events again to a destination that answered 410, or that asked to be left alone for a while
    SwitchOn {
        /// Its name, as status shows it
        #[arg(value_name = "DESTINATION")]
        destination: String,
    },
    /// Drops a destination that is configured nowhere any more, with all that waits for it
    Forget {
        /// Its name, as status shows it
        #[arg(value_name = "DESTINATION")]
        destination: String,
        /// Confirms that it will not get what waits
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Form {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Events, config: Option<&Path>) -> Result<(), Failure> {
    let variables = Variables::of_this_process();
    let config = match command {
        Events::Relay => Config::for_relaying(config, &variables)?,
        Events::Forget {
            yes: false,
            destination,
        } => {
            let reason = format!("events forget drops all that waits for {destination}: say --yes");
            return Err(Failure::Usage(reason));
        }
        _ => Config::for_commands(config, &variables)?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut telemetry = Telemetry::start(&config.telemetry).map_err(Failure::other)?;
        let done = if matches!(command, Events::Relay) {
            relay(&config, &mut telemetry).await
        } else {
            let desk = EventDesk::open(&config).await?;
            let done = carry_out(command, &desk).await;
            desk.close().await;
            done
        };
        telemetry.flush().await;
        done
    })
}

async fn relay(config: &Config, telemetry: &mut Telemetry) -> Result<(), Failure> {
    // Only `relay` handles signals: they terminate the other commands directly.
    let mut signals = ShutdownSignals::listen()?;
    end_in_any_case(telemetry.log())?;
    let (listener, management) = listen(config.management.listen, "management.listen")?;
    let node = RelayNode::start(config).await?;
    telemetry.adopt(Arc::clone(&node.metrics));
    let server = serve_vitals(node.vitals.clone(), listener, config, &node.metrics)?;
    let server_end = server.handle();
    tokio::spawn(server);
    tracing::info!(%management, version = env!("CARGO_PKG_VERSION"), "relaying events");
    let signal = signals.received().await;
    tracing::info!(signal, "ending");
    node.stop().await;
    server_end.stop(false).await;
    tracing::info!("ended");
    Ok(())
}

async fn carry_out(command: &Events, desk: &EventDesk) -> Result<(), Failure> {
    let events = &desk.events;
    let mut stdout = io::stdout();
    match command {
        Events::Relay => {}
        Events::Status(form) => {
            for backlog in events.backlog().await? {
                let waits = events.lag(&backlog).whole_seconds();
                writeln!(stdout, "{}", shown_backlog(&backlog, waits, *form))?;
            }
        }
        Events::Parked(form) => {
            let show = |parked: &ParkedEvent| {
                writeln!(stdout, "{}", shown_parked(parked, *form)).map_err(Failure::from)
            };
            events.for_each_parked(show).await?;
        }
        Events::Resend { id, .. } => {
            let which = id.map_or(ParkedSelection::All, ParkedSelection::One);
            let resent = events.resend(which).await?;
            if resent == 0 && id.is_some() {
                return Err(Failure::other("no such event is parked"));
            }
            writeln!(stdout, "{resent} to be sent again")?;
        }
        Events::SwitchOn { destination } => match events.switch_on(destination).await? {
            SwitchedOn::Done => writeln!(stdout, "{destination} gets events again")?,
            SwitchedOn::WasOn => writeln!(stdout, "{destination} was not switched off")?,
            SwitchedOn::Unknown => return Err(Failure::other("there is no such destination")),
        },
        Events::Forget { destination, .. } => {
            if !events.forget(destination).await? {
                return Err(Failure::other("there is no such destination"));
            }
            writeln!(stdout, "forgotten {destination}")?;
        }
    }
    Ok(())
}

fn shown_backlog(backlog: &DestinationBacklog, waits: i64, form: Form) -> String {
    let DestinationBacklog {
        destination,
        accounts_waiting,
        parked,
        served_at,
        rests_until,
        off,
        ..
    } = backlog;
    let served_at = shown_time(*served_at);
    let rests_until = rests_until.map(shown_time);
    if form.json {
        return json!({
            "destination": destination,
            "accounts_waiting": accounts_waiting,
            "oldest_waits_seconds": waits,
            "parked": parked,
            "served_at": served_at,
            "rests_until": rests_until,
            "switched_off_at": off.as_ref().map(|off| shown_time(off.at)),
            "switched_off_because": off.as_ref().map(|off| off.reason.as_str()),
        })
        .to_string();
    }
    let off = match (off, rests_until) {
        (Some(off), _) => format!(
            "  SWITCHED OFF since {}: {}",
            shown_time(off.at),
            off.reason
        ),
        (None, Some(until)) => format!("  rests until {until}"),
        (None, None) => String::new(),
    };
    format!(
        "{destination}  {accounts_waiting} accounts wait, the oldest event for {waits} s  \
         {parked} parked  served {served_at}{off}"
    )
}

fn shown_parked(parked: &ParkedEvent, form: Form) -> String {
    let (occurred_at, parked_at) = (shown_time(parked.occurred_at), shown_time(parked.parked_at));
    let ParkedEvent {
        destination,
        id,
        type_name,
        account,
        attempts,
        failure,
        ..
    } = parked;
    if form.json {
        return json!({
            "destination": destination,
            "id": id,
            "type": type_name,
            "account_id": account,
            "occurred_at": occurred_at,
            "parked_at": parked_at,
            "attempts": attempts,
            "failure": failure,
        })
        .to_string();
    }
    format!(
        "{id}  {destination}  {type_name}  account {account}  parked {parked_at} after {attempts} \
         tries: {failure}"
    )
}

fn shown_time(at: OffsetDateTime) -> String {
    // RFC 3339 can express every time that the column can hold.
    at.format(&Rfc3339).unwrap_or_default()
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::other(error)
    }
}
