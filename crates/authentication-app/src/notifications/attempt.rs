//! One attempt at one message, and what becomes of it.
//!
//! A provider cannot take part in our transaction, so something has to give when its answer is lost. A code
//! goes out once at the most: that it is about to go is written down first, and what may be out is not sent
//! again; the person asks anew. A notice goes out once at the least, always with the same id. See
//! `docs/adr/0015-a-code-is-sent-once-at-the-most.md`.

use std::time::Duration as StdDuration;

use time::{Duration, OffsetDateTime};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{
    Notifications,
    back_off::{MOST_ATTEMPTS, half_to_whole, next_attempt},
    compose::Addressed,
};
use crate::{
    ports::{
        Channel, DeliveryError, DeliveryOutcome, GiveBack, LeasedMessage, LetterKind, Message,
        MessageChannel, MessageKind, StoreError, UnwritableLetter,
    },
    retry::retrying,
};

/// Attempts at a notice of which nobody knows whether they went out. Each may have.
const MOST_UNSURE: u32 = 3;
/// How long a message stands in line for room beside others of its channel: long where a provider answers.
const IN_LINE: StdDuration = StdDuration::from_millis(250);
/// How long it is put off, give or take, when there was none.
const CROWDED: Duration = Duration::seconds(2);

impl Notifications {
    /// Whether it went out.
    pub(super) async fn attempt(&self, leased: &LeasedMessage) -> Result<bool, StoreError> {
        let message_id = leased.order.id;
        if is_code(leased) && leased.may_be_out {
            tracing::warn!(%message_id, "a code may have been sent by a worker that ended; it is not sent again");
            self.note(MessageChannel::None, DeliveryOutcome::Unknown);
            return self.finish(leased).await;
        }
        // Counted when it was leased, so that one that ends its worker is not tried for ever.
        if leased.attempts >= MOST_ATTEMPTS {
            return self
                .park(
                    leased,
                    MessageChannel::None,
                    "it ended its worker again and again",
                )
                .await;
        }
        match self.compose(&leased.order, self.base.clock.now()).await {
            Ok(Some(addressed)) => self.send(leased, addressed).await,
            Ok(None) => {
                self.note(MessageChannel::None, DeliveryOutcome::Dropped);
                self.finish(leased).await
            }
            Err(StoreError::Corrupt { table, column }) => {
                tracing::error!(%message_id, table, column, "a message cannot be made");
                self.park(
                    leased,
                    MessageChannel::None,
                    "what it is made of cannot be read",
                )
                .await
            }
            Err(error) => Err(error),
        }
    }

    async fn send(&self, leased: &LeasedMessage, addressed: Addressed) -> Result<bool, StoreError> {
        let channel = Channel::of(&addressed.to);
        // Held until the provider has answered.
        let way = self.enter(channel).await;
        let now = self.base.clock.now();
        let Some(_way) = way else {
            let until = now + half_to_whole(CROWDED, self.base.random.as_ref());
            return self.give_back(leased, GiveBack::Wait(until)).await;
        };
        let Ok(message) = self.write(leased, addressed, now) else {
            return self
                .park(leased, channel.into(), "it cannot be put into words")
                .await;
        };
        // Once for a message, however often it is tried.
        let full_until = match leased.attempts {
            0 => self.find_room(&message.to, now).await?,
            _ => None,
        };
        if let Some(until) = full_until {
            return self.hold_back(leased, channel, until).await;
        }
        let store = &self.base.store;
        // A notice may go out twice, so it needs no mark.
        if is_code(leased) && !store.hand_over_message(leased.held(), now).await? {
            // The lease ran out, and the code is somebody else's.
            return Ok(false);
        }
        let answer = self.sender.send(&message).await;
        self.settle(leased, channel, answer).await
    }

    async fn enter(&self, channel: Channel) -> Option<OwnedSemaphorePermit> {
        let room = timeout(IN_LINE, self.way(channel).acquire_owned()).await;
        room.ok()?.ok()
    }

    fn write(
        &self,
        leased: &LeasedMessage,
        addressed: Addressed,
        now: OffsetDateTime,
    ) -> Result<Message, UnwritableLetter> {
        let Addressed { to, letter } = addressed;
        let channel = Channel::of(&to);
        let written = self.writer.write(&letter, channel)?;
        let code = match &letter.kind {
            LetterKind::Code { code, .. } => Some(code.expose().to_owned()),
            _ => None,
        };
        Ok(Message {
            id: leased.order.id,
            to,
            channel,
            letter: written,
            code,
            at: now,
        })
    }

    /// A code that is late serves nobody; a notice can wait.
    async fn hold_back(
        &self,
        leased: &LeasedMessage,
        channel: Channel,
        until: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        self.note(channel.into(), DeliveryOutcome::Capped);
        if is_code(leased) {
            self.finish(leased).await
        } else {
            self.give_back(leased, GiveBack::Wait(until)).await
        }
    }

    async fn settle(
        &self,
        leased: &LeasedMessage,
        channel: Channel,
        answer: Result<(), DeliveryError>,
    ) -> Result<bool, StoreError> {
        let message_id = leased.order.id;
        let error = match answer {
            Ok(()) => {
                tracing::info!(%message_id, channel = channel.as_str(), "message sent");
                self.note(channel.into(), DeliveryOutcome::Delivered);
                self.finish(leased).await?;
                return Ok(true);
            }
            Err(error) => error,
        };
        tracing::warn!(%message_id, channel = channel.as_str(), %error, "message not sent");
        let asked_for = match error {
            DeliveryError::Unknown if is_code(leased) => {
                self.note(channel.into(), DeliveryOutcome::Unknown);
                return self.finish(leased).await;
            }
            // Whoever turns the channel off knows; what was asked for meanwhile is not for later.
            DeliveryError::NoProvider if is_code(leased) => {
                self.note(channel.into(), DeliveryOutcome::Dropped);
                return self.finish(leased).await;
            }
            DeliveryError::Refused { .. } | DeliveryError::NoProvider => {
                return self.park(leased, channel.into(), &error.to_string()).await;
            }
            DeliveryError::Unknown if leased.attempts + 1 >= MOST_UNSURE => {
                return self.park(leased, channel.into(), &error.to_string()).await;
            }
            DeliveryError::NotTaken { retry_after, .. } => retry_after,
            DeliveryError::Unknown => None,
        };
        let (now, random) = (self.base.clock.now(), self.base.random.as_ref());
        match next_attempt(leased.attempts + 1, asked_for, now, random) {
            Some(next) => {
                self.note(channel.into(), DeliveryOutcome::Postponed);
                self.give_back(leased, GiveBack::Retry(next)).await
            }
            None => self.park(leased, channel.into(), &error.to_string()).await,
        }
    }

    async fn park(
        &self,
        leased: &LeasedMessage,
        channel: MessageChannel,
        reason: &str,
    ) -> Result<bool, StoreError> {
        self.note(channel, DeliveryOutcome::Parked);
        tracing::error!(message_id = %leased.order.id, reason, "message parked");
        let parked = GiveBack::Park {
            at: self.base.clock.now(),
            reason: reason.to_owned(),
        };
        self.give_back(leased, parked).await
    }

    async fn give_back(&self, leased: &LeasedMessage, how: GiveBack) -> Result<bool, StoreError> {
        let store = &self.base.store;
        retrying(|| store.give_back_message(leased.held(), how.clone())).await?;
        Ok(false)
    }

    async fn finish(&self, leased: &LeasedMessage) -> Result<bool, StoreError> {
        let store = &self.base.store;
        // Done with but not removed comes again: worth another attempt.
        retrying(|| store.finish_message(leased.held())).await?;
        Ok(false)
    }
}

/// A code, or what its recipient gets in its place: once at the most either way.
const fn is_code(leased: &LeasedMessage) -> bool {
    matches!(leased.order.kind, MessageKind::Code { .. })
}
