//! The audit trail.

use authentication_app::ports::AuditRecord;
use authentication_domain::audit::{Action, Outcome};
use time::Duration;

use super::{Inspect, Store, support::begin};
use crate::{
    builders::{audit_record, id, sealed, subject, uuid_at},
    clock::START,
};

const ACTIONS: [Action; 31] = [
    Action::RegistrationRequested,
    Action::AccountRegistered,
    Action::AccountImported,
    Action::SignIn,
    Action::SignInLocked,
    Action::GuessingStopped,
    Action::AccountUnlocked,
    Action::CodeRequested,
    Action::CodeRefused,
    Action::RefreshReuse,
    Action::RefreshForgiven,
    Action::RefreshAhead,
    Action::SessionEnded,
    Action::DatabaseRestored,
    Action::PasswordChanged,
    Action::PasswordReset,
    Action::ProfileChanged,
    Action::IdentifierChangeRequested,
    Action::IdentifierChanged,
    Action::IdentifierChangeUndone,
    Action::AccountSecured,
    Action::DeviceForgotten,
    Action::FactorResetAnnounced,
    Action::FactorResetCalledOff,
    Action::FactorsReset,
    Action::PasskeyAdded,
    Action::PasskeyRenamed,
    Action::PasskeyRemoved,
    Action::PasskeyCopySuspected,
    Action::IdentityLinked,
    Action::IdentityUnlinked,
];

async fn append(store: &Store, entries: &[AuditRecord]) {
    in_unit!(store, audit.append(entries)).expect("entries are appended");
}

fn names(entry: &AuditRecord) -> (String, String) {
    (
        entry.action.as_str().to_owned(),
        entry.outcome.as_str().to_owned(),
    )
}

pub async fn entries_of_a_unit_are_appended_in_order(store: Store, inspect: &dyn Inspect) {
    let entries: Vec<_> = (0..)
        .zip(ACTIONS)
        .map(|(minute, action)| {
            let at = START + Duration::minutes(minute);
            AuditRecord {
                id: uuid_at(at),
                at,
                ..audit_record(action, Outcome::Success)
            }
        })
        .collect();
    let (first, second) = entries.split_at(4);
    let mut unit = begin(&store).await;
    unit.audit().append(first).await.unwrap();
    unit.audit().append(second).await.unwrap();
    assert_eq!(inspect.audit_entries().await, [], "not before the commit");
    unit.commit().await.unwrap();
    let expected: Vec<_> = entries.iter().map(names).collect();
    assert_eq!(inspect.audit_entries().await, expected);
}

pub async fn every_act_and_outcome_can_be_recorded(store: Store, inspect: &dyn Inspect) {
    let mut expected = Vec::new();
    for action in ACTIONS {
        for outcome in [Outcome::Success, Outcome::Refused("invalid_code")] {
            let sparse = audit_record(action, outcome);
            let full = AuditRecord {
                actor: Some(id()),
                subject: Some(id()),
                identifier: Some(subject()),
                session: Some(id()),
                sealed_for: Some(id()),
                diff: Some(sealed()),
                ..audit_record(action, outcome)
            };
            append(&store, &[sparse.clone(), full.clone()]).await;
            expected.extend([names(&sparse), names(&full)]);
        }
    }
    let mut found = inspect.audit_entries().await;
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

pub async fn no_entries_are_no_error(store: Store, inspect: &dyn Inspect) {
    append(&store, &[]).await;
    assert_eq!(inspect.audit_entries().await, []);
}
