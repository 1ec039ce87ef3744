//! Events, queued with the change that they report.

use authentication_app::ports::EventEnvelope;
use authentication_domain::{
    accounts::{LegacyId, SignUpMethod},
    events::Event,
    federation::ProviderName,
    sessions::EndReason,
};
use common::access::Role;

use super::{Inspect, Store, support::begin};
use crate::builders::{event_envelope, id};

fn one_of_each() -> Vec<EventEnvelope> {
    let (account, session) = (id(), id());
    let passkey = id();
    let events = [
        Event::AccountRegistered {
            account,
            roles: Role::Vendor.into(),
        },
        Event::AccountImported {
            account,
            roles: Role::Client.into(),
            legacy_id: LegacyId::from(7),
        },
        Event::SessionStarted { account, session },
        Event::RefreshReused { account, session },
        Event::SessionEnded {
            account,
            session,
            reason: EndReason::RefreshReuse,
        },
        Event::PasswordChanged {
            account,
            by_reset: true,
        },
        Event::ProfileChanged {
            account,
            fields: vec!["display_name".to_owned(), "country".to_owned()],
        },
        Event::IdentifierChanged {
            account,
            method: SignUpMethod::Phone,
            undone: false,
        },
        Event::AccountSecured { account },
        Event::FactorsReset { account },
        Event::PasskeyAdded { account, passkey },
        Event::PasskeyRemoved { account, passkey },
        Event::PasskeyCopySuspected { account, passkey },
        Event::IdentityLinked {
            account,
            provider: ProviderName::GOOGLE,
        },
        Event::IdentityUnlinked {
            account,
            provider: ProviderName::GOOGLE,
        },
    ];
    events.into_iter().map(event_envelope).collect()
}

fn types(events: &[EventEnvelope]) -> Vec<String> {
    let names = events.iter().map(|envelope| envelope.event.type_name());
    names.map(str::to_owned).collect()
}

pub async fn events_of_a_unit_are_queued_in_order(store: Store, inspect: &dyn Inspect) {
    let mut events = one_of_each();
    events.reverse();
    let (first, second) = events.split_at(2);
    let mut unit = begin(&store).await;
    unit.outbox().append_events(first).await.unwrap();
    unit.outbox().append_events(second).await.unwrap();
    assert!(
        inspect.event_types().await.is_empty(),
        "not before the commit"
    );
    unit.commit().await.unwrap();
    assert_eq!(inspect.event_types().await, types(&events));
}

pub async fn every_event_can_be_queued(store: Store, inspect: &dyn Inspect) {
    let events = one_of_each();
    for event in &events {
        in_unit!(store, outbox.append_events(std::slice::from_ref(event))).unwrap();
    }
    assert_eq!(inspect.event_types().await, types(&events));
}

pub async fn no_events_are_no_error(store: Store, inspect: &dyn Inspect) {
    in_unit!(store, outbox.append_events(&[])).unwrap();
    assert!(inspect.event_types().await.is_empty());
}
