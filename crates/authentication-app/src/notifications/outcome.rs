//! The result of an attempt: the message is finished, postponed, or parked for an operator.
//!
//! A code is retried while it is valid. A notice is retried for five days, with growing pauses (RFC 5321 §4.5.4.1).
//! Permanent failures are parked: a permanently refused recipient, a message that cannot be read or rendered, and a
//! notice after its five days.

use time::{Duration, OffsetDateTime};

use super::{
    Notifications,
    back_off::{NOTICE_IS_TRIED_FOR, Tried, UNSURE_COUNTS_FOR, pause},
    deliver::LEASE,
};
use crate::{
    ports::{
        Channel, DeliveryError, DeliveryOutcome, GiveBack, HeldMessage, LeasedMessage, Measure,
        MessageChannel, MessageKind, NoticeOutcome, StoreError,
    },
    retry::retrying,
};

impl Notifications {
    /// Handles a message that cannot be read or rendered: parked, unless the failure is temporary.
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

    /// Drops a message that has no recipient any more.
    pub(super) async fn drop_unsent(
        &self,
        leased: &LeasedMessage,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let is_late = leased.put_off > 0 && self.is_too_late_at(leased, now);
        if is_late {
            return self.give_up_late(leased, MessageChannel::None).await;
        }
        self.note(MessageChannel::None, DeliveryOutcome::Dropped);
        self.finish(leased).await
    }

    /// Over a ceiling: a late code is useless, so it is dropped; a notice waits.
    pub(super) async fn hold_back(
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

    /// Records the result of a send; returns whether the message was sent.
    pub(super) async fn settle(
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
        let reason = error.to_string();
        let (what, asked_for) = match error {
            DeliveryError::Unknown if is_code(leased) => {
                self.note(channel.into(), DeliveryOutcome::Unknown);
                return self.finish(leased).await;
            }
            // The operator who disabled the channel knows; codes requested meanwhile are useless later.
            DeliveryError::NoProvider if is_code(leased) => {
                self.note(channel.into(), DeliveryOutcome::Dropped);
                return self.finish(leased).await;
            }
            DeliveryError::Refused { .. } | DeliveryError::NoProvider => {
                return self.park(leased.held(), channel.into(), &reason).await;
            }
            DeliveryError::Unknown => (Tried::UnsureNotice, None),
            DeliveryError::NotTaken { retry_after, .. }
            | DeliveryError::Away { retry_after, .. } => (tried(leased), retry_after),
        };
        let put_off = PutOff {
            what,
            asked_for,
            is_counted: true,
            reason: &reason,
        };
        self.put_off(leased, channel, put_off).await
    }

    /// Postpones a message without contacting its provider, which currently accepts nothing.
    pub(super) async fn spare(
        &self,
        leased: &LeasedMessage,
        channel: Channel,
        wait: Duration,
        is_counted: bool,
    ) -> Result<(), StoreError> {
        let put_off = PutOff {
            what: tried(leased),
            asked_for: Some(wait),
            is_counted,
            reason: "the provider takes nothing now",
        };
        self.put_off(leased, channel, put_off).await
    }

    async fn put_off(
        &self,
        leased: &LeasedMessage,
        channel: Channel,
        how: PutOff<'_>,
    ) -> Result<(), StoreError> {
        let (now, before) = (self.base.clock.now(), leased.put_off_for);
        let random = self.base.random.as_ref();
        let pause = pause(how.what, before, how.asked_for, random);
        let counts_for = match how.what {
            Tried::UnsureNotice => UNSURE_COUNTS_FOR,
            Tried::Code | Tried::Notice => pause,
        };
        match how.what {
            Tried::Code if self.is_too_late_at(leased, now + pause) => {
                return self.give_up_late(leased, channel.into()).await;
            }
            Tried::Notice | Tried::UnsureNotice
                if before.saturating_add(counts_for) > NOTICE_IS_TRIED_FOR =>
            {
                return self.park(leased.held(), channel.into(), how.reason).await;
            }
            _ => {}
        }
        self.note(channel.into(), DeliveryOutcome::Postponed);
        let again = GiveBack::Retry {
            at: now + pause,
            counts_for,
            is_counted: how.is_counted,
        };
        self.give_back(leased.held(), again).await
    }

    /// Whether a code will have expired by then. If its time stamps were moved back with a clock that was set back,
    /// `compose` decides instead.
    fn is_too_late_at(&self, leased: &LeasedMessage, at: OffsetDateTime) -> bool {
        let lifetime = self.base.rules.challenges.code_lifetime;
        is_code(leased) && at >= leased.order.at + lifetime
    }

    async fn give_up_late(
        &self,
        leased: &LeasedMessage,
        channel: MessageChannel,
    ) -> Result<(), StoreError> {
        let message_id = leased.order.id;
        tracing::warn!(%message_id, "a code could not be sent while it counted; it is given up");
        self.note(channel, DeliveryOutcome::Late);
        self.finish(leased).await
    }

    pub(super) async fn park(
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

    pub(super) async fn give_back(
        &self,
        held: HeldMessage,
        how: GiveBack,
    ) -> Result<(), StoreError> {
        let store = &self.base.store;
        // `false` means that the lease was lost, and another worker decides.
        retrying(|| store.give_back_message(held, how.clone())).await?;
        Ok(())
    }

    pub(super) async fn finish(&self, leased: &LeasedMessage) -> Result<(), StoreError> {
        let store = &self.base.store;
        // A finished message that is not deleted is sent again: worth a retry.
        retrying(|| store.finish_message(leased.held())).await?;
        Ok(())
    }
}

/// Why and for how long a message is postponed.
struct PutOff<'a> {
    what: Tried,
    asked_for: Option<Duration>,
    /// Whether it was counted under the ceilings.
    is_counted: bool,
    /// The reason for the operator, in case the message is parked.
    reason: &'a str,
}

fn tried(leased: &LeasedMessage) -> Tried {
    if is_code(leased) {
        Tried::Code
    } else {
        Tried::Notice
    }
}

/// A code, or the notice that replaces it for its recipient: sent at most once either way.
pub(super) const fn is_code(leased: &LeasedMessage) -> bool {
    matches!(leased.order.kind, MessageKind::Code { .. })
}
