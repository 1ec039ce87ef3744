//! Delivers the events in the outbox to one destination.
//!
//! Any number of relays may serve a destination: a lease gives each account's next event to one relay at a time. An
//! event is delivered when the destination has confirmed it *and* that has been recorded. If a relay crashes in
//! between, the next one sends the event again, byte for byte the same. So each event is sent at least once, and no
//! later event of its account before it.

use std::sync::Arc;

use common::{Clock, SecureRandom, random, retry_after};
use time::{Duration, OffsetDateTime};
use tokio::time::timeout;
use uuid::Builder;

use crate::{
    back_off::BackOff,
    ports::{
        DeliveryOutcome, EventQueue, EventSink, EventTarget, LeaseRequest, LeasedEvent, Measure,
        Meter, OutgoingEvent, SinkError, StoreError, SwitchedOff,
    },
    retry::retrying,
};

/// The back-off between tries of one event.
const BACK_OFF: BackOff = BackOff {
    first: Duration::SECOND,
    longest: Duration::HOUR,
};

/// The limits of the relay.
#[derive(Debug, Clone)]
pub struct RelayRules {
    /// CloudEvents `source`.
    pub source: String,
    /// The longest duration of a delivery.
    pub deadline: Duration,
    /// The duration of a lease; longer than a delivery takes.
    pub lease: Duration,
    /// The number of tries before an event is parked.
    pub most_attempts: u32,
}

/// A destination and the events that it gets.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Its name in the queue.
    pub name: String,
    /// Its label in metrics.
    pub target: EventTarget,
    /// The CloudEvents types that it gets; empty means all.
    pub types: Vec<String>,
}

/// The result of handling an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The destination confirmed it.
    Delivered,
    /// The destination does not subscribe to its type.
    PassedOver,
    /// The destination is unavailable; the event is due again later.
    Away,
    /// The destination refused it; the event is due again later.
    Refused,
    /// Given up, for an operator to look at.
    Parked,
    /// The lease was lost; another relay has the event, or will lease it.
    Lost,
}

/// An event after its delivery was tried.
#[derive(Debug)]
pub enum Handed {
    /// Fully handled.
    Settled(Outcome),
    /// Delivered or not subscribed to; [`Relay::finish`] must record that.
    Through(Box<LeasedEvent>, Outcome),
}

/// The ports that all relays of a node share.
#[derive(Clone)]
pub struct RelayPorts {
    /// The event queue.
    pub queue: Arc<dyn EventQueue>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn SecureRandom>,
    /// The receiver of metrics.
    pub meter: Arc<dyn Meter>,
}

/// The relay of one destination; clones share it.
#[derive(Clone)]
pub struct Relay {
    ports: RelayPorts,
    sink: Arc<dyn EventSink>,
    destination: Arc<Destination>,
    rules: Arc<RelayRules>,
}

impl Relay {
    /// Called once per destination, by the composition root.
    pub fn new(
        ports: RelayPorts,
        destination: Destination,
        sink: Arc<dyn EventSink>,
        rules: RelayRules,
    ) -> Self {
        Self {
            ports,
            sink,
            destination: Arc::new(destination),
            rules: Arc::new(rules),
        }
    }

    /// Registers that the destination is served. A new destination gets events from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn announce(&self) -> Result<(), StoreError> {
        let now = self.ports.clock.now();
        self.ports
            .queue
            .serve_destination(&self.destination.name, now)
            .await
    }

    /// Leases up to `most` due events; each must be passed to [`Self::deliver`] at once.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn lease(&self, most: u32) -> Result<Vec<LeasedEvent>, StoreError> {
        let now = self.ports.clock.now();
        let token =
            Builder::from_random_bytes(random::bytes(self.ports.random.as_ref())).into_uuid();
        let request = LeaseRequest {
            destination: &self.destination.name,
            most,
            token,
            until: now + self.rules.lease,
            now,
        };
        self.ports.queue.lease_events(&request).await
    }

    /// Delivers an event and records its result, except for [`Handed::Through`]. Those are recorded in batches:
    /// individually, each would cost as much as the change that it reports.
    ///
    /// # Errors
    /// [`StoreError`] when the result cannot be recorded: the event is delivered again after its lease has expired.
    #[tracing::instrument(level = "debug", skip_all, fields(destination = self.destination.name, event_id = %leased.event.id))]
    pub async fn deliver(&self, leased: LeasedEvent) -> Result<Handed, StoreError> {
        let error = match self.hand_over(&leased).await {
            Ok(outcome) => return Ok(Handed::Through(Box::new(leased), outcome)),
            Err(error) => error,
        };
        let settled = match error {
            SinkError::Away { why, retry_after } => {
                if let Some(rest) = retry_after {
                    self.leave_alone(rest).await?;
                }
                self.put_off(&leased, &why, retry_after, Outcome::Away)
                    .await
            }
            SinkError::Refused { why, retry_after } => {
                self.put_off(&leased, &why, retry_after, Outcome::Refused)
                    .await
            }
            SinkError::Never(why) => self.park(&leased, &why).await,
            SinkError::Gone(why) => self.switch_off(&leased, &why).await,
        };
        settled.map(Handed::Settled)
    }

    async fn hand_over(&self, leased: &LeasedEvent) -> Result<Outcome, SinkError> {
        let (event, rules) = (&leased.event, &self.rules);
        let never = |why: &str| Err(SinkError::Never(why.to_owned()));
        // Attempts are counted when leased, so an event that crashes its relay is not retried forever.
        if leased.attempts.saturating_sub(leased.put_off) >= rules.most_attempts {
            return never("it ended its relay again and again");
        }
        if !self.wants(&event.type_name) {
            return Ok(Outcome::PassedOver);
        }
        let Ok(body) = event.to_cloud_event(&rules.source) else {
            return never("what is stored is no event");
        };
        let outgoing = OutgoingEvent {
            id: event.id,
            type_name: event.type_name.clone(),
            account: event.account,
            at: event.at,
            body,
        };
        let delivery = self.sink.deliver(&outgoing, self.ports.clock.now());
        match timeout(rules.deadline.unsigned_abs(), delivery).await {
            Ok(delivered) => delivered.map(|()| Outcome::Delivered),
            Err(_) => Err(SinkError::away("no answer in time")),
        }
    }

    fn wants(&self, type_name: &str) -> bool {
        let wanted = &self.destination.types;
        wanted.is_empty() || wanted.iter().any(|it| it == type_name)
    }

    /// Records that these events are delivered or not subscribed to, and returns the final outcome of each. If
    /// recording fails, they are delivered again after their leases have expired.
    ///
    /// # Errors
    /// [`StoreError`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn finish(
        &self,
        through: &[(Box<LeasedEvent>, Outcome)],
    ) -> Result<Vec<Outcome>, StoreError> {
        let leases: Vec<_> = through
            .iter()
            .map(|(leased, _)| leased.lease.clone())
            .collect();
        // A delivered event that is not recorded is delivered twice: worth a retry.
        let finish = || {
            self.ports
                .queue
                .finish_events(&leases, self.ports.clock.now())
        };
        let held = retrying(finish).await?;
        let told = through.iter().zip(held);
        Ok(told
            .map(|((leased, outcome), held)| self.told(leased, held, *outcome, None))
            .collect())
    }

    async fn put_off(
        &self,
        leased: &LeasedEvent,
        why: &str,
        retry_after: Option<Duration>,
        outcome: Outcome,
    ) -> Result<Outcome, StoreError> {
        if leased.put_off.saturating_add(1) >= self.rules.most_attempts {
            return self.park(leased, why).await;
        }
        let next = self.next_attempt(leased.put_off, retry_after);
        let postpone = || self.ports.queue.postpone_event(&leased.lease, next, why);
        let held = retrying(postpone).await?;
        Ok(self.told(leased, held, outcome, Some(why)))
    }

    async fn park(&self, leased: &LeasedEvent, why: &str) -> Result<Outcome, StoreError> {
        let tries = leased.attempts.saturating_add(1);
        let park = || {
            let now = self.ports.clock.now();
            self.ports.queue.park_event(&leased.lease, tries, why, now)
        };
        let held = retrying(park).await?;
        Ok(self.told(leased, held, Outcome::Parked, Some(why)))
    }

    /// Respects the pause that the destination asked for, within a bound.
    async fn leave_alone(&self, rest: Duration) -> Result<(), StoreError> {
        let name = self.destination.name.as_str();
        let until = self.ports.clock.now() + rest.min(retry_after::LONGEST);
        retrying(|| self.ports.queue.rest_destination(name, until)).await?;
        let rest_seconds = rest.whole_seconds();
        tracing::warn!(
            destination = name,
            rest_seconds,
            "a destination asked to be left alone"
        );
        Ok(())
    }

    /// The event waits with all others: the destination reports itself gone, and an operator must verify that.
    async fn switch_off(&self, leased: &LeasedEvent, why: &str) -> Result<Outcome, StoreError> {
        let destination = self.destination.name.as_str();
        let now = self.ports.clock.now();
        let off = SwitchedOff {
            at: now,
            reason: why.to_owned(),
        };
        let queue = &self.ports.queue;
        if retrying(|| queue.switch_destination_off(destination, &off)).await? {
            tracing::error!(
                destination,
                reason = why,
                "a destination is switched off: it wants no events any more"
            );
        }
        let held = retrying(|| queue.give_event_back(&leased.lease, now, why)).await?;
        Ok(self.told(leased, held, Outcome::Away, Some(why)))
    }

    /// The pause grows with recorded failures only: a crashing relay holds leases of many accounts, none of which
    /// should wait longer for that.
    fn next_attempt(&self, failures_before: u32, retry_after: Option<Duration>) -> OffsetDateTime {
        let pause = BACK_OFF.pause(failures_before, self.ports.random.as_ref());
        let asked_for = retry_after.map(|asked_for| asked_for.min(retry_after::LONGEST));
        self.ports.clock.now() + pause.max(asked_for.unwrap_or_default())
    }

    /// Logs the result, and returns the outcome that applies.
    fn told(
        &self,
        leased: &LeasedEvent,
        held: bool,
        outcome: Outcome,
        why: Option<&str>,
    ) -> Outcome {
        let destination = self.destination.name.as_str();
        let (event_id, event_type) = (leased.event.id, leased.event.type_name.as_str());
        let attempt = leased.attempts.saturating_add(1);
        let reason = why.unwrap_or_default();
        if !held {
            tracing::warn!(destination, %event_id, event_type, attempt, "a lease ended before its event was done");
            return Outcome::Lost;
        }
        self.note(outcome);
        match outcome {
            Outcome::Parked => {
                tracing::error!(destination, %event_id, event_type, attempt, reason, "event parked");
            }
            Outcome::Away | Outcome::Refused => {
                tracing::warn!(destination, %event_id, event_type, attempt, reason, "event not delivered");
            }
            Outcome::Delivered | Outcome::PassedOver | Outcome::Lost => {
                tracing::debug!(destination, %event_id, event_type, attempt, "event done");
            }
        }
        outcome
    }

    fn note(&self, outcome: Outcome) {
        let counted = match outcome {
            Outcome::Delivered => DeliveryOutcome::Delivered,
            Outcome::PassedOver => DeliveryOutcome::Dropped,
            Outcome::Away | Outcome::Refused => DeliveryOutcome::Postponed,
            Outcome::Parked => DeliveryOutcome::Parked,
            Outcome::Lost => return,
        };
        let target = self.destination.target;
        self.ports.meter.note(Measure::Event(target, counted));
    }
}
