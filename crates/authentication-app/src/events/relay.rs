//! Handing what the outbox holds to one destination.
//!
//! Any number of relays may serve a destination: a lease makes each account's next event one relay's at a
//! time. An event counts as delivered when the destination said so *and* that was written; a relay that dies
//! in between leaves it to the next one, which sends it again, to the byte the same. So it is sent at least
//! once, and nothing later of its account before it.

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

/// Between tries of one event.
const BACK_OFF: BackOff = BackOff {
    first: Duration::SECOND,
    longest: Duration::HOUR,
};

/// The numbers of the relay.
#[derive(Debug, Clone)]
pub struct RelayRules {
    /// CloudEvents `source`.
    pub source: String,
    /// The longest that a delivery may take.
    pub deadline: Duration,
    /// How long a relay may hold an event; longer than a delivery takes.
    pub lease: Duration,
    /// Tries before an event is parked.
    pub most_attempts: u32,
}

/// Who gets which events.
#[derive(Debug, Clone)]
pub struct Destination {
    /// What the queue knows it by.
    pub name: String,
    /// What it is counted as.
    pub target: EventTarget,
    /// CloudEvents types that it gets; empty: all.
    pub types: Vec<String>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The destination has it.
    Delivered,
    /// The destination does not want its type.
    PassedOver,
    /// Nobody was there to take it; it is due again later.
    Away,
    /// It was not taken; it is due again later.
    Refused,
    /// It was given up, for a person to look at.
    Parked,
    /// The lease ran out before: another relay has it, or will.
    Lost,
}

/// An event after its destination was asked.
#[derive(Debug)]
pub enum Handed {
    /// Nothing is left to do with it.
    Settled(Outcome),
    /// The destination has it, or does not want it: [`Relay::finish`] is to write that down.
    Through(Box<LeasedEvent>, Outcome),
}

/// What all relays of a node share.
#[derive(Clone)]
pub struct RelayPorts {
    /// Where events wait.
    pub queue: Arc<dyn EventQueue>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn SecureRandom>,
    /// Whoever watches.
    pub meter: Arc<dyn Meter>,
}

/// The relay of one destination; clones are the same one.
#[derive(Clone)]
pub struct Relay {
    ports: RelayPorts,
    sink: Arc<dyn EventSink>,
    destination: Arc<Destination>,
    rules: Arc<RelayRules>,
}

impl Relay {
    /// Built once for each destination by the composition root.
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

    /// Says that the destination is served. A new one gets events from here on.
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

    /// Takes up to `most` due events; each must be handed to [`Self::deliver`] at once.
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

    /// Delivers an event, and writes down what became of it unless it is through. Those are written down many
    /// at once: alone, each would cost as much as the change that it tells of.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be written: the event is delivered again when its lease has ended.
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
        // Counted when it was leased, so that one that ends its relay is not tried for ever.
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

    /// Writes down that these events are through, and gives what holds of each. What cannot be written is
    /// delivered again when its lease has ended.
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
        // Delivered but not written down is delivered twice: worth another attempt.
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

    /// It asked for it, and is believed within a bound.
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

    /// The event waits with all others: it is the destination that is gone, and a person who knows whether it is.
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

    /// The pause grows with failures alone: a relay that dies takes the leases of many accounts with it, and none of
    /// them is to wait longer for that.
    fn next_attempt(&self, failures_before: u32, retry_after: Option<Duration>) -> OffsetDateTime {
        let pause = BACK_OFF.pause(failures_before, self.ports.random.as_ref());
        let asked_for = retry_after.map(|asked_for| asked_for.min(retry_after::LONGEST));
        self.ports.clock.now() + pause.max(asked_for.unwrap_or_default())
    }

    /// Tells the log, and gives the outcome that holds.
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
