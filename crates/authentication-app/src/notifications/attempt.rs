//! One attempt to send one message.
//!
//! A provider cannot take part in our transaction, so either loss or duplication must be accepted when its response
//! is lost. A code is sent at most once: the imminent hand-over is recorded first, and a code that may have been
//! sent is not sent again; the person requests a new one. A notice is sent at least once, always with the same id.
//! See `docs/adr/0015-a-code-is-sent-once-at-the-most.md`.

use std::{sync::Arc, time::Duration as StdDuration};

use time::{Duration, OffsetDateTime};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{Notifications, back_off::half_to_whole, compose::Addressed, outcome::is_code};
use crate::{
    ports::{
        Channel, Closing, DeliveryOutcome, GiveBack, HeldMessage, LeasedMessage, LetterKind,
        Message, MessageChannel, StoreError, UnwritableLetter,
    },
    retry::retrying,
};

/// A message is parked after this many leases that ended without a recorded result, because the message itself may
/// be what crashes its workers.
const MOST_LOST: u32 = 8;
/// How long a message waits for a free slot of its channel: longer than a responsive provider takes.
const IN_LINE: StdDuration = StdDuration::from_millis(250);
/// The nominal delay before the next attempt when no slot became free; jitter applies.
const CROWDED: Duration = Duration::seconds(2);

/// A message that this lease may send now.
struct Ready {
    message: Message,
    /// The channel's slot, held until the provider has answered.
    _way: OwnedSemaphorePermit,
}

impl Notifications {
    /// Sends the message; returns whether it was sent.
    ///
    /// # Errors
    /// [`StoreError`]. A message that was not handed to the provider is due again by then, if the store accepts
    /// that; for any other message, the result is not recorded.
    pub(super) async fn attempt(&self, leased: &LeasedMessage) -> Result<bool, StoreError> {
        if is_code(leased) && leased.may_be_out {
            tracing::warn!(message_id = %leased.order.id, "a code may have been sent by a worker that ended; it is not sent again");
            self.note(MessageChannel::None, DeliveryOutcome::Unknown);
            self.finish(leased).await?;
            return Ok(false);
        }
        match self.prepare(leased).await {
            Ok(Some(ready)) => self.send(leased, &ready).await,
            Ok(None) => Ok(false),
            Err(error) => {
                self.put_back(leased, &error).await;
                Err(error)
            }
        }
    }

    /// Prepares the message to be sent now; `None` when this attempt has already ended otherwise.
    async fn prepare(&self, leased: &LeasedMessage) -> Result<Option<Ready>, StoreError> {
        // Attempts are counted when leased, so a message that crashes its worker is not retried forever.
        if leased.attempts.saturating_sub(leased.put_off) >= MOST_LOST {
            let reason = "it ended its worker again and again";
            self.park(leased.held(), MessageChannel::None, reason)
                .await?;
            return Ok(None);
        }
        let Some(addressed) = self.address(leased).await? else {
            return Ok(None);
        };
        let channel = Channel::of(&addressed.to);
        let now = self.base.clock.now();
        if let Some(wait) = self.way(channel).route.wait(now) {
            self.spare(leased, channel, wait, leased.is_counted).await?;
            return Ok(None);
        }
        let way = self.enter(channel).await;
        let now = self.base.clock.now();
        let Some(way) = way else {
            let until = now + half_to_whole(CROWDED, self.base.random.as_ref());
            self.give_back(leased.held(), GiveBack::Wait(until)).await?;
            return Ok(None);
        };
        // Counted once per message, however often it is tried; once more if a worker crashed in between.
        if !leased.is_counted
            && let Some(until) = self
                .find_room(&addressed.to, leased.order.kind, now)
                .await?
        {
            self.hold_back(leased, channel, until).await?;
            return Ok(None);
        }
        // As late as possible, so that a waiting summary keeps gathering.
        let Some(addressed) = self.close(leased, addressed, now).await? else {
            // The lease was lost; another worker holds the summary.
            return Ok(None);
        };
        let Ok(message) = self.write(leased, addressed, now) else {
            let reason = "it cannot be put into words";
            self.park(leased.held(), channel.into(), reason).await?;
            return Ok(None);
        };
        // Meanwhile another message may have found the provider unavailable, or may be probing it.
        if let Err(wait) = self.way(channel).route.enter(now) {
            self.spare(leased, channel, wait, true).await?;
            return Ok(None);
        }
        // A notice may be sent twice, so its hand-over needs no record.
        if is_code(leased) && !self.hand_over(leased, now).await? {
            // The lease was lost; another worker holds the code.
            return Ok(None);
        }
        Ok(Some(Ready { message, _way: way }))
    }

    /// The recipient and the letter; `None` when this attempt has ended because there is none.
    async fn address(&self, leased: &LeasedMessage) -> Result<Option<Addressed>, StoreError> {
        let now = self.base.clock.now();
        match retrying(|| self.compose(&leased.order, now)).await {
            Ok(Some(addressed)) => Ok(Some(addressed)),
            Ok(None) => {
                self.drop_unsent(leased, now).await?;
                Ok(None)
            }
            Err(error @ StoreError::Corrupt { .. }) => {
                self.set_aside(leased.held(), &error).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Adds the content of a summary to its letter; leaves any other letter unchanged.
    async fn close(
        &self,
        leased: &LeasedMessage,
        mut addressed: Addressed,
        now: OffsetDateTime,
    ) -> Result<Option<Addressed>, StoreError> {
        if leased.order.gathers_until.is_none() {
            return Ok(Some(addressed));
        }
        let gathered = match &leased.gathered {
            Some(before) => Some(before.clone()),
            None => match retrying(|| self.close_once(leased.held(), now)).await? {
                Closing::Closed(gathered) => Some(gathered),
                Closing::Nothing => None,
                Closing::NotHeld => return Ok(None),
            },
        };
        addressed.letter.gathered = gathered;
        Ok(Some(addressed))
    }

    async fn close_once(
        &self,
        held: HeldMessage,
        now: OffsetDateTime,
    ) -> Result<Closing, StoreError> {
        let mut unit = self.base.store.begin().await?;
        let closing = unit.notices().close_gathering(held, now).await?;
        if matches!(closing, Closing::Closed(_)) {
            unit.commit().await?;
        }
        Ok(closing)
    }

    async fn hand_over(
        &self,
        leased: &LeasedMessage,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let store = &self.base.store;
        retrying(|| store.hand_over_message(leased.held(), now)).await
    }

    async fn send(&self, leased: &LeasedMessage, ready: &Ready) -> Result<bool, StoreError> {
        let message = &ready.message;
        let channel = message.channel;
        let answer = self.sender.send(message).await;
        let now = self.base.clock.now();
        if let Some(rest) = self.way(channel).route.note(&answer, now) {
            let (channel, rest) = (channel.as_str(), rest.whole_seconds());
            tracing::warn!(
                channel,
                rest_seconds = rest,
                "the provider takes nothing now; messages wait"
            );
        }
        self.settle(leased, channel, answer).await
    }

    /// The store failed before the message was handed to the provider, so it need not wait until its lease expires.
    /// It is due at once; the worker pauses before its next round. This is also safe when it is unknown whether the
    /// hand-over of a code was recorded: only the lease's holder could have sent it, and has not.
    async fn put_back(&self, leased: &LeasedMessage, error: &StoreError) {
        // After an internal fault, the lease is the pause, and it counts as an attempt, so that such a message is
        // eventually parked.
        if !matches!(error, StoreError::Retryable | StoreError::Unavailable(_)) {
            return;
        }
        let at_once = GiveBack::Wait(self.base.clock.now());
        if let Err(error) = self.give_back(leased.held(), at_once).await {
            let message_id = leased.order.id;
            tracing::warn!(%message_id, %error, "a message could not be given back; it is due when its lease ends");
        }
    }

    async fn enter(&self, channel: Channel) -> Option<OwnedSemaphorePermit> {
        let room = timeout(IN_LINE, Arc::clone(&self.way(channel).room).acquire_owned()).await;
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
}
