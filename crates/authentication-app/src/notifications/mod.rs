//! Messages to people: made at the moment they are sent, from rows that hold nothing personal.

mod deliver;
mod texts;

use std::sync::Arc;

pub use deliver::Delivered;
pub use texts::Branding;

use crate::{Foundation, ports::MessageSender};

/// The worker's use case.
#[derive(Clone)]
pub struct Notifications {
    pub(crate) base: Arc<Foundation>,
    pub(crate) sender: Arc<dyn MessageSender>,
    pub(crate) branding: Branding,
}

impl Notifications {
    /// Built once by the composition root.
    pub const fn new(
        base: Arc<Foundation>,
        sender: Arc<dyn MessageSender>,
        branding: Branding,
    ) -> Self {
        Self {
            base,
            sender,
            branding,
        }
    }
}
