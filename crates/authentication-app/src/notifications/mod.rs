//! Messages to people: made at the moment they are sent, from rows that hold nothing personal.
//!
//! [`Deliveries`] is the worker: it leases what is due and lets each message go its way (`attempt`), which
//! asks who gets what (`compose`), whether there is room under the ceilings, and hands it to the provider.
//! What follows from the answer is `outcome`'s: a code is tried while it counts, a notice for days, and what no
//! time will mend is parked at once (`docs/adr/0049-what-is-put-off-is-tried-for-as-long-as-it-is-worth-it.md`).

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

/// Messages of one channel on their way at once, if its provider takes as many. When it hangs, so many are
/// caught in it, and those of the other channel go on.
const MOST_PER_CHANNEL: usize = 24;

/// Everything that sending messages needs.
#[derive(Clone)]
pub struct Notifications {
    pub(crate) base: Arc<Foundation>,
    pub(crate) sender: Arc<dyn MessageSender>,
    pub(crate) writer: Arc<dyn LetterWriter>,
    pub(crate) ceilings: Ceilings,
    ways: Arc<Ways>,
}

/// The ways to people, by channel.
struct Ways {
    email: Way,
    sms: Way,
}

struct Way {
    /// Room for messages on their way.
    room: Arc<Semaphore>,
    route: Route,
}

impl Notifications {
    /// Built once by the composition root.
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
