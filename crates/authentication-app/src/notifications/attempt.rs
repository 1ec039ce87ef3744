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
    deliver::LEASE,
};
use crate::{
    ports::{
        Channel, Closing, DeliveryError, DeliveryOutcome, GiveBack, HeldMessage, LeasedMessage,
        LetterKind, Measure, Message, MessageChannel, MessageKind, NoticeOutcome, StoreError,
        UnwritableLetter,
    },
    retry::retrying,
};

/// Attempts at a notice before one of which nobody knows whether it went out is the last: each of them may
/// have. Whatever became of the others counts too; that is on the safe side.
const MOST_UNSURE: u32 = 3;
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
        if leased.attempts >= MOST_ATTEMPTS {
            let reason = "it ended its worker again and again";
            self.park(leased.held(), MessageChannel::None, reason)
                .await?;
            return Ok(None);
        }
        let Some(addressed) = self.address(leased).await? else {
            return Ok(None);
        };
        let channel = Channel::of(&addressed.to);
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
                self.note(MessageChannel::None, DeliveryOutcome::Dropped);
                self.finish(leased).await?;
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
        let answer = self.sender.send(message).await;
        self.settle(leased, message.channel, answer).await
    }

    /// The store failed before anybody was asked to send the message, so it need not wait for the end of its
    /// lease. Due at once: the worker rests before its next round. That is true also when nobody knows whether
    /// the mark of a code was written, since only its holder could have sent it, and has not.
    async fn put_back(&self, leased: &LeasedMessage, error: &StoreError) {
        // Of a fault of our own the lease is the pause, and it counts: such a message is parked in the end.
        if !matches!(error, StoreError::Retryable | StoreError::Unavailable) {
            return;
        }
        let at_once = GiveBack::Wait(self.base.clock.now());
        if let Err(error) = self.give_back(leased.held(), at_once).await {
            let message_id = leased.order.id;
            tracing::warn!(%message_id, %error, "a message could not be given back; it is due when its lease ends");
        }
    }

    /// A message that cannot be read, or something that it is made of: parked, unless that is for now only.
    pub(super) async fn set_aside(
        &self,
        held: HeldMessage,
        error: &StoreError,
    ) -> Result<(), StoreError> {
        tracing::error!(message_id = %held.id, %error, "a message cannot be made");
        if matches!(error, StoreError::Corrupt { .. }) {
            let reason = "what it is made of cannot be read";
            return self.park(held, MessageChannel::None, reason).await;
        }
        let until = self.base.clock.now() + LEASE;
        self.give_back(held, GiveBack::Wait(until)).await
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
    ) -> Result<(), StoreError> {
        self.note(channel.into(), DeliveryOutcome::Capped);
        if is_code(leased) {
            self.finish(leased).await
        } else {
            self.base.meter.note(Measure::Notice(NoticeOutcome::Held));
            self.give_back(leased.held(), GiveBack::Wait(until)).await
        }
    }

    async fn settle(
        &self,
        leased: &LeasedMessage,
        channel: Channel,
        answer: Result<(), DeliveryError>,
    ) -> Result<bool, StoreError> {
        let message_id = leased.order.id;
        let Err(error) = answer else {
            tracing::info!(%message_id, channel = channel.as_str(), "message sent");
            self.note(channel.into(), DeliveryOutcome::Delivered);
            self.finish(leased).await?;
            return Ok(true);
        };
        tracing::warn!(%message_id, channel = channel.as_str(), %error, "message not sent");
        self.not_sent(leased, channel, error).await?;
        Ok(false)
    }

    async fn not_sent(
        &self,
        leased: &LeasedMessage,
        channel: Channel,
        error: DeliveryError,
    ) -> Result<(), StoreError> {
        let tried = leased.attempts + 1;
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
            DeliveryError::NotTaken { retry_after, .. } => Some(retry_after),
            DeliveryError::Unknown if tried < MOST_UNSURE => Some(None),
            DeliveryError::Unknown | DeliveryError::Refused { .. } | DeliveryError::NoProvider => {
                None
            }
        };
        let (now, random) = (self.base.clock.now(), self.base.random.as_ref());
        let next = asked_for.and_then(|asked_for| next_attempt(tried, asked_for, now, random));
        let Some(next) = next else {
            let reason = error.to_string();
            return self.park(leased.held(), channel.into(), &reason).await;
        };
        self.note(channel.into(), DeliveryOutcome::Postponed);
        self.give_back(leased.held(), GiveBack::Retry(next)).await
    }

    async fn park(
        &self,
        held: HeldMessage,
        channel: MessageChannel,
        reason: &str,
    ) -> Result<(), StoreError> {
        self.note(channel, DeliveryOutcome::Parked);
        tracing::error!(message_id = %held.id, reason, "message parked");
        let parked = GiveBack::Park {
            at: self.base.clock.now(),
            reason: reason.to_owned(),
        };
        self.give_back(held, parked).await
    }

    async fn give_back(&self, held: HeldMessage, how: GiveBack) -> Result<(), StoreError> {
        let store = &self.base.store;
        // `false` says that somebody else decides what becomes of it.
        retrying(|| store.give_back_message(held, how.clone())).await?;
        Ok(())
    }

    async fn finish(&self, leased: &LeasedMessage) -> Result<(), StoreError> {
        let store = &self.base.store;
        // Done with but not removed comes again: worth another attempt.
        retrying(|| store.finish_message(leased.held())).await?;
        Ok(())
    }
}

/// A code, or what its recipient gets in its place: once at the most either way.
const fn is_code(leased: &LeasedMessage) -> bool {
    matches!(leased.order.kind, MessageKind::Code { .. })
}
