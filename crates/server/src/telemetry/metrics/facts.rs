//! Metrics that use cases and adapters report.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use authentication_app::ports::{
    Backlog, CodeOutcome, CodePurpose, DeliveryOutcome, EventTarget, Label, Measure,
    MessageChannel, NoticeOutcome, QueueName, RefreshOutcome, RegistrationOutcome, SignInMethod,
    SignInOutcome,
};
use opentelemetry::{
    KeyValue,
    metrics::{Histogram, Meter},
};

use super::counts::{Counts, Named};

/// Buckets for a password hash: 7 to 15 ms of work, about a second for an imported hash, and seconds in a long
/// queue.
const HASH_SECONDS: [f64; 12] = [
    0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// The metrics of the domain.
pub(super) struct Facts {
    sign_ins: Counts<SignInMethod, SignInOutcome>,
    registrations: Counts<RegistrationOutcome>,
    refreshes: Counts<RefreshOutcome>,
    codes: Counts<CodePurpose, CodeOutcome>,
    notices: Counts<NoticeOutcome>,
    messages: Counts<MessageChannel, DeliveryOutcome>,
    events: Counts<EventTarget, DeliveryOutcome>,
    hashes_refused: Counts<()>,
    hash_wait: Histogram<f64>,
    hash_time: Histogram<f64>,
    queues: Arc<[Queue]>,
    destinations_off: Arc<Told>,
}

impl Facts {
    pub(super) fn new(meter: &Meter) -> Self {
        Self {
            sign_ins: Counts::register(
                meter,
                &Named {
                    name: "auth.sign_ins",
                    meaning: "Attempts to sign in",
                },
                ["method", "outcome"],
            ),
            registrations: by_one(meter, "auth.registrations", "Registrations", "outcome"),
            refreshes: by_one(meter, "auth.refreshes", "Refresh tokens brought", "outcome"),
            codes: Counts::register(
                meter,
                &Named {
                    name: "auth.codes",
                    meaning: "One-time codes asked for and brought",
                },
                ["purpose", "outcome"],
            ),
            notices: by_one(
                meter,
                "auth.notices",
                "Notices to the owners of accounts",
                "outcome",
            ),
            messages: Counts::register(
                meter,
                &Named {
                    name: "auth.messages",
                    meaning: "Tries to send a message to a person",
                },
                ["channel", "outcome"],
            ),
            events: Counts::register(
                meter,
                &Named {
                    name: "auth.events",
                    meaning: "Tries to hand an event to another system",
                },
                ["target", "outcome"],
            ),
            hashes_refused: by_one(
                meter,
                "auth.hashing.refused",
                "Password hashes refused because the queue was full",
                "",
            ),
            hash_wait: seconds(
                meter,
                "auth.hashing.wait",
                "How long password hashes wait for a thread",
            ),
            hash_time: seconds(
                meter,
                "auth.hashing.duration",
                "How long a thread computes a password hash",
            ),
            queues: register_queues(meter),
            destinations_off: register_destinations_off(meter),
        }
    }

    pub(super) fn take(&self, measure: Measure) {
        match measure {
            Measure::SignIn(method, outcome) => self.sign_ins.add(method, outcome),
            Measure::Registration(outcome) => self.registrations.add(outcome, ()),
            Measure::Refresh(outcome) => self.refreshes.add(outcome, ()),
            Measure::Code(purpose, outcome) => self.codes.add(purpose, outcome),
            Measure::Notice(outcome) => self.notices.add(outcome, ()),
            Measure::Message(channel, outcome) => self.messages.add(channel, outcome),
            Measure::Event(target, outcome) => self.events.add(target, outcome),
            Measure::HashWaited(time) => self.hash_wait.record(time.as_secs_f64(), &[]),
            Measure::HashComputed(time) => self.hash_time.record(time.as_secs_f64(), &[]),
            Measure::HashRefused => self.hashes_refused.add((), ()),
            Measure::Backlog(queue, backlog) => {
                if let Some(queue) = self.queues.get(queue.position()) {
                    queue.set(backlog);
                }
            }
            Measure::DestinationsOff(count) => self.destinations_off.set(count),
        }
    }
}

fn by_one<A: Label>(
    meter: &Meter,
    name: &'static str,
    meaning: &'static str,
    key: &'static str,
) -> Counts<A> {
    Counts::register(meter, &Named { name, meaning }, [key, ""])
}

fn seconds(meter: &Meter, name: &'static str, meaning: &'static str) -> Histogram<f64> {
    meter
        .f64_histogram(name)
        .with_unit("s")
        .with_description(meaning)
        .with_boundaries(HASH_SECONDS.to_vec())
        .build()
}

/// The last reported value, if there is one.
#[derive(Default)]
struct Told {
    is_told: AtomicBool,
    number: AtomicU64,
}

impl Told {
    fn set(&self, number: u64) {
        self.number.store(number, Ordering::Relaxed);
        self.is_told.store(true, Ordering::Release);
    }
}

fn register_destinations_off(meter: &Meter) -> Arc<Told> {
    let told = Arc::new(Told::default());
    let shown = Arc::clone(&told);
    let _off = meter
        .u64_observable_gauge("auth.event.destinations_off")
        .with_description("Destinations of events that answered 410 and are switched off")
        .with_callback(move |observer| {
            if shown.is_told.load(Ordering::Acquire) {
                observer.observe(shown.number.load(Ordering::Relaxed), &[]);
            }
        })
        .build();
    told
}

/// The last reported state of a queue.
#[derive(Default)]
struct Queue {
    told: AtomicBool,
    waiting: AtomicU64,
    parked: AtomicU64,
    lag_ms: AtomicU64,
}

impl Queue {
    fn set(&self, backlog: Backlog) {
        let lag = u64::try_from(backlog.lag.as_millis()).unwrap_or(u64::MAX);
        self.waiting.store(backlog.waiting, Ordering::Relaxed);
        self.parked.store(backlog.parked, Ordering::Relaxed);
        self.lag_ms.store(lag, Ordering::Relaxed);
        self.told.store(true, Ordering::Release);
    }

    fn is_told(&self) -> bool {
        self.told.load(Ordering::Acquire)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for the first quarter of a million years"
    )]
    fn lag_seconds(&self) -> f64 {
        self.lag_ms.load(Ordering::Relaxed) as f64 / 1_000.0
    }
}

fn register_queues(meter: &Meter) -> Arc<[Queue]> {
    let queues: Arc<[Queue]> = QueueName::ALL.iter().map(|_| Queue::default()).collect();
    let shown = Arc::clone(&queues);
    let _items = meter
        .u64_observable_gauge("auth.backlog.items")
        .with_description("What a queue holds")
        .with_callback(move |observer| {
            for (name, queue) in told(&shown) {
                for (state, count) in [("waiting", &queue.waiting), ("parked", &queue.parked)] {
                    let labels = [KeyValue::new("queue", name), KeyValue::new("state", state)];
                    observer.observe(count.load(Ordering::Relaxed), &labels);
                }
            }
        })
        .build();
    let shown = Arc::clone(&queues);
    let _lag = meter
        .f64_observable_gauge("auth.backlog.lag")
        .with_unit("s")
        .with_description("How long the oldest that is due has been due")
        .with_callback(move |observer| {
            for (name, queue) in told(&shown) {
                observer.observe(queue.lag_seconds(), &[KeyValue::new("queue", name)]);
            }
        })
        .build();
    queues
}

fn told(queues: &[Queue]) -> impl Iterator<Item = (&'static str, &Queue)> {
    let named = QueueName::ALL.iter().map(|name| name.as_str()).zip(queues);
    named.filter(|(_, queue)| queue.is_told())
}
