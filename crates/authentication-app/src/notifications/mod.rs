//! Messages to people, rendered when they are sent from rows without personal data.
//!
//! [`Deliveries`] is the worker: it leases due messages and starts an attempt for each (`attempt`). The attempt
//! determines recipient and content (`compose`), checks the ceilings, and hands the message to the provider.
//! `outcome` handles the response: a code is retried while it is valid, a notice for days, and a permanent failure
//! is parked at once (`docs/adr/0049-what-is-put-off-is-tried-for-as-long-as-it-is-worth-it.md`).

mod attempt;
mod back_off;
mod ceilings;
mod compose;
mod deliver;
mod notice;
mod outcome;
mod route;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub use ceilings::Ceilings;
pub use deliver::{Delivered, Deliveries};

use route::Route;

use crate::{
    Foundation,
    ports::{Channel, DeliveryOutcome, LetterWriter, Measure, MessageChannel, MessageSender},
};

/// The maximum number of concurrent sends per channel, if its provider accepts that many. When a provider hangs, it
/// blocks at most this many, and the other channel continues.
const MOST_PER_CHANNEL: usize = 24;

/// The use cases of sending messages.
#[derive(Clone)]
pub struct Notifications {
    pub(crate) base: Arc<Foundation>,
    pub(crate) sender: Arc<dyn MessageSender>,
    pub(crate) writer: Arc<dyn LetterWriter>,
    pub(crate) ceilings: Ceilings,
    ways: Arc<Ways>,
}

/// The state per channel.
struct Ways {
    email: Way,
    sms: Way,
}

struct Way {
    /// Slots for concurrent sends.
    room: Arc<Semaphore>,
    route: Route,
}

impl Notifications {
    /// Called once, by the composition root.
    pub fn new(
        base: Arc<Foundation>,
        sender: Arc<dyn MessageSender>,
        writer: Arc<dyn LetterWriter>,
        ceilings: Ceilings,
    ) -> Self {
        let way = |channel| {
            let at_once = sender.at_once(channel).min(MOST_PER_CHANNEL);
            Way {
                room: Arc::new(Semaphore::new(at_once)),
                route: Route::default(),
            }
        };
        let ways = Arc::new(Ways {
            email: way(Channel::Email),
            sms: way(Channel::Sms),
        });
        Self {
            base,
            sender,
            writer,
            ceilings,
            ways,
        }
    }

    fn note(&self, channel: MessageChannel, outcome: DeliveryOutcome) {
        self.base.meter.note(Measure::Message(channel, outcome));
    }

    fn way(&self, channel: Channel) -> &Way {
        match channel {
            Channel::Email => &self.ways.email,
            Channel::Sms => &self.ways.sms,
        }
    }
}
