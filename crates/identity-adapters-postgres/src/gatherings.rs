//! Which notices were sent to whom, and which acts wait to be sent in one summary.
//!
//! There is one row per recipient and kind of notice, for any number of acts. A writer holds its lock until the commit,
//! so concurrent acts are judged one after the other. The row names the message of the summary for as long as the
//! summary takes in acts. Closing it removes the name under the same lock and moves the gathered acts into the message.

use authentication_app::ports::{
    Closing, Gathered, HeldMessage, NoticedAct, Recipient, StoreError,
};
use authentication_domain::{
    accounts::AccountId,
    protection::{NoticePace, Telling},
};
use common::clock::{from_micros, to_micros};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::{
    error::Fault,
    outbox::{detail_of, name_of},
    sql::{Row, Sql},
    unit_of_work::SqlUnitOfWork,
};

const GATHERINGS: &str = "notice_gatherings";

/// For this long after its due time, a summary is assumed to exist without looking it up: nodes' clocks differ, and a
/// statement that waited for the row's lock does not see a message that a concurrent unit has just queued.
const TRUST: Duration = Duration::MINUTE;

/// By the primary key. `$1` recipient, `$2` kind, `$3` detail, `$4` now, `$5` the first spacing, `$6` the longest,
/// `$7` the message of a new summary, `$8` quiet time after which the spacing starts over, `$9` due time after which a
/// summary exists without a lookup, `$10` growth of the spacing, `$11` how many times are kept. The reference
/// implementation is `NoticePace::after`.
const GATHER: &str = "INSERT INTO notice_gatherings AS c \
     (recipient, kind, detail, told_at, spacing, message_id, since, acts, times, last_at) \
     VALUES ($1, $2, $3, $4, $5, NULL, $4, 0, '', $4) \
     ON CONFLICT (recipient, kind, detail) DO UPDATE SET last_at = excluded.last_at, \
     (told_at, spacing, message_id, since, acts, times) = (SELECT \
     CASE state WHEN 'open' THEN c.told_at WHEN 'told' THEN excluded.told_at \
     ELSE CASE WHEN c.told_at < excluded.told_at THEN c.told_at ELSE excluded.told_at END \
     + c.spacing END, \
     CASE WHEN state = 'open' THEN c.spacing \
     WHEN c.told_at + $8 <= excluded.told_at THEN excluded.spacing \
     WHEN c.spacing * $10 < $6 THEN c.spacing * $10 ELSE $6 END, \
     CASE state WHEN 'open' THEN c.message_id WHEN 'told' THEN NULL ELSE $7 END, \
     CASE state WHEN 'open' THEN c.since ELSE c.told_at END, \
     CASE state WHEN 'open' THEN c.acts + 1 WHEN 'told' THEN 0 ELSE 1 END, \
     CASE state WHEN 'told' THEN '' WHEN 'gathers' THEN CAST(excluded.told_at AS text) \
     ELSE CASE WHEN c.acts < $11 THEN c.times || ' ' || CAST(excluded.told_at AS text) \
     ELSE c.times END END \
     FROM (SELECT CASE WHEN c.message_id IS NOT NULL AND (c.told_at > $9 OR EXISTS \
     (SELECT 1 FROM outbox_messages m WHERE m.id = c.message_id AND m.next_attempt_at IS NOT NULL)) \
     THEN 'open' WHEN c.told_at + c.spacing <= excluded.told_at THEN 'told' ELSE 'gathers' END \
     AS state) AS question) \
     RETURNING told_at, message_id";

/// By `notice_gatherings_message_id_idx`. `$1` message, `$2` now.
const CLOSE: &str = "UPDATE notice_gatherings SET message_id = NULL, told_at = $2 \
     WHERE message_id = $1 RETURNING since, acts, times, last_at";

/// `$1` message, `$2` token, `$3` the gathered acts.
const WRITE_DOWN: &str = "UPDATE outbox_messages SET gathered = $3 WHERE id = $1 AND lease_id = $2";

/// The gathered acts that an earlier close wrote. `$1` message, `$2` token.
const WRITTEN_DOWN: &str = "SELECT gathered FROM outbox_messages WHERE id = $1 AND lease_id = $2";

/// By the primary key. `$1` recipient.
const FORGET: &str = "DELETE FROM notice_gatherings WHERE recipient = $1 \
     RETURNING message_id, since, acts, times, last_at";

/// A summary that is being sent stays with its worker, which reads the acts when it closes it. `$1` message,
/// `$2` the gathered acts, `$3` now.
const DUE_NOW: &str = "UPDATE outbox_messages SET gathered = $2, \
     next_attempt_at = CASE WHEN lease_id IS NULL THEN $3 ELSE next_attempt_at END \
     WHERE id = $1 AND next_attempt_at IS NOT NULL";

pub(crate) async fn gather(unit: &SqlUnitOfWork, act: &NoticedAct) -> Result<Telling, StoreError> {
    let row = Sql::new(GATHER)
        .bind(&key_of(&act.recipient))
        .bind(name_of(act.kind))
        .bind(&*detail_of(act.kind).unwrap_or_default())
        .bind(&act.at)
        .bind(&act.pace.first)
        .bind(&act.pace.longest)
        .bind(&act.summary)
        .bind(&NoticePace::QUIET)
        .bind(&(act.at - TRUST))
        .bind(&i64::from(NoticePace::GROWTH))
        .bind(&i64::try_from(Gathered::LISTED).unwrap_or(i64::MAX))
        .row(unit)
        .await?;
    let row = row.ok_or(Fault::MissingRow("a gathering"))?;
    let summary: Option<Uuid> = row.find(GATHERINGS, "message_id")?;
    Ok(match summary {
        None => Telling::AtOnce,
        Some(own) if own == act.summary => Telling::Later {
            due: row.get(GATHERINGS, "told_at")?,
        },
        Some(_) => Telling::Gathered,
    })
}

pub(crate) async fn close(
    unit: &SqlUnitOfWork,
    held: HeldMessage,
    now: OffsetDateTime,
) -> Result<Closing, StoreError> {
    let row = Sql::new(CLOSE).bind(&held.id).bind(&now).row(unit).await?;
    let Some(row) = row else {
        return closed_before(unit, held).await;
    };
    let gathered = gathered_in(&row)?;
    let written = Sql::new(WRITE_DOWN)
        .bind(&held.id)
        .bind(&held.lease.0)
        .bind(&to_text(&gathered))
        .execute(unit)
        .await?;
    Ok(if written == 1 {
        Closing::Closed(gathered)
    } else {
        Closing::NotHeld
    })
}

/// The result for a summary that takes in no more acts: what an earlier close wrote, if the message is still held.
async fn closed_before(unit: &SqlUnitOfWork, held: HeldMessage) -> Result<Closing, StoreError> {
    let row = Sql::new(WRITTEN_DOWN)
        .bind(&held.id)
        .bind(&held.lease.0)
        .row(unit)
        .await?;
    let Some(row) = row else {
        return Ok(Closing::NotHeld);
    };
    let gathered = written_down_in(&row)?;
    Ok(gathered.map_or(Closing::Nothing, Closing::Closed))
}

pub(crate) async fn tell_anew(
    unit: &SqlUnitOfWork,
    account: AccountId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let forgotten = Sql::new(FORGET)
        .bind(&key_of(&Recipient::Account(account)))
        .rows(unit)
        .await?;
    for row in &forgotten {
        let open: Option<Uuid> = row.find(GATHERINGS, "message_id")?;
        if let Some(message) = open {
            Sql::new(DUE_NOW)
                .bind(&message)
                .bind(&to_text(&gathered_in(row)?))
                .bind(&now)
                .execute(unit)
                .await?;
        }
    }
    Ok(())
}

/// Unambiguous: the digest of an identifier and the id of an account differ in length.
fn key_of(recipient: &Recipient) -> Vec<u8> {
    match recipient {
        Recipient::Subject(subject) => subject.0.to_vec(),
        Recipient::Account(account) => account.as_uuid().as_bytes().to_vec(),
    }
}

fn gathered_in(row: &Row) -> Result<Gathered, StoreError> {
    let times: String = row.get(GATHERINGS, "times")?;
    let unreadable = StoreError::Corrupt {
        table: GATHERINGS,
        column: "times",
    };
    Ok(Gathered {
        since: row.get(GATHERINGS, "since")?,
        acts: row.get(GATHERINGS, "acts")?,
        times: times_in(&times).ok_or(unreadable)?,
        last: row.get(GATHERINGS, "last_at")?,
    })
}

fn times_in(text: &str) -> Option<Vec<OffsetDateTime>> {
    let micros = text.split_ascii_whitespace().map(str::parse::<i64>);
    micros.map(|it| it.ok().map(from_micros)).collect()
}

/// The format of `outbox_messages.gathered`: start, number of acts, last time, and the kept times.
fn to_text(gathered: &Gathered) -> String {
    let mut text = format!(
        "{} {} {}",
        to_micros(gathered.since),
        gathered.acts,
        to_micros(gathered.last)
    );
    for time in &gathered.times {
        text.push(' ');
        text.push_str(&to_micros(*time).to_string());
    }
    text
}

/// Reads the gathered acts from a row of `outbox_messages` with that column.
pub(crate) fn written_down_in(row: &Row) -> Result<Option<Gathered>, StoreError> {
    const MESSAGES: &str = "outbox_messages";
    let text: Option<String> = row.find(MESSAGES, "gathered")?;
    let unreadable = StoreError::Corrupt {
        table: MESSAGES,
        column: "gathered",
    };
    text.map(|text| from_text(&text).ok_or(unreadable))
        .transpose()
}

/// Inverse of [`to_text`].
fn from_text(text: &str) -> Option<Gathered> {
    let mut parts = text.splitn(4, ' ');
    let since = from_micros(parts.next()?.parse().ok()?);
    let acts = parts.next()?.parse().ok()?;
    let last = from_micros(parts.next()?.parse().ok()?);
    let times = times_in(parts.next().unwrap_or_default())?;
    Some(Gathered {
        since,
        acts,
        times,
        last,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_summary_tells_of_is_read_as_it_was_written() {
        let at = |micros: i64| from_micros(1_700_000_000_000_000 + micros);
        for times in [Vec::new(), vec![at(2)], vec![at(2), at(3)]] {
            let gathered = Gathered {
                since: at(1),
                acts: 19,
                times,
                last: at(7),
            };
            assert_eq!(from_text(&to_text(&gathered)), Some(gathered));
        }
        for broken in ["", "1", "1 2", "1 x 3", "1 2 3 x"] {
            assert_eq!(from_text(broken), None, "{broken}");
        }
    }
}
