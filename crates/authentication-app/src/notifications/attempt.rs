//! One attempt at one message.
//!
//! A provider cannot take part in our transaction, so something has to give when its answer is lost. A code
//! goes out once at the most: that it is about to go is written down first, and what may be out is not sent
//! again; the person asks anew. A notice goes out once at the least, always with the same id. See
//! `docs/adr/0015-a-code-is-sent-once-at-the-most.md`.

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

/// Leases that ended without a word of their worker before a message is parked: it may be what ends them.
const MOST_LOST: u32 = 8;
/// How long a message stands in line for room beside others of its channel: long where a provider answers.
const IN_LINE: StdDuration = StdDuration::from_millis(250);
/// How long it is put off, give or take, when there was none.
const CROWDED: Duration = Duration::seconds(2);

/// A message that is its holder's to send.
struct Ready {
    message: Message,
    /// Held until the provider has answered.
    _way: OwnedSemaphorePermit,
}

impl Notifications {
    /// Whether it went out.
    ///
    /// # Errors
    /// [`StoreError`]. A message that nobody was asked to send is due again by then, if the store lets it; of
    /// any other it is not written down what became of it.
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

    /// What is to be sent now; `None` when this attempt has ended otherwise.
    async fn prepare(&self, leased: &LeasedMessage) -> Result<Option<Ready>, StoreError> {
        // Counted when it was leased, so that one that ends its worker is not tried for ever.
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
        // Once for a message, however often it is tried; once more when a worker ended amid it.
        if !leased.is_counted
            && let Some(until) = self
                .find_room(&addressed.to, leased.order.kind, now)
                .await?
        {
            self.hold_back(leased, channel, until).await?;
            return Ok(None);
        }
        // As late as can be: a summary that has to wait goes on taking in.
        let Some(addressed) = self.close(leased, addressed, now).await? else {
            // The lease ran out, and the summary is somebody else's.
            return Ok(None);
        };
        let Ok(message) = self.write(leased, addressed, now) else {
            let reason = "it cannot be put into words";
            self.park(leased.held(), channel.into(), reason).await?;
            return Ok(None);
        };
        // Another one found out meanwhile that the provider takes nothing, or tries whether it does.
        if let Err(wait) = self.way(channel).route.enter(now) {
            self.spare(leased, channel, wait, true).await?;
            return Ok(None);
        }
        // A notice may go out twice, so it needs no mark.
        if is_code(leased) && !self.hand_over(leased, now).await? {
            // The lease ran out, and the code is somebody else's.
            return Ok(None);
        }
        Ok(Some(Ready { message, _way: way }))
    }

    /// Who gets it and what it tells them, unless this attempt has ended with that question.
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

    /// The letter with what a summary tells of; any other letter as it is.
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

    /// The store failed before anybody was asked to send the message, so it need not wait for the end of its
    /// lease. Due at once: the worker rests before its next round. That is true also when nobody knows whether
    /// the mark of a code was written, since only its holder could have sent it, and has not.
    async fn put_back(&self, leased: &LeasedMessage, error: &StoreError) {
        // Of a fault of our own the lease is the pause, and it counts: such a message is parked in the end.
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
