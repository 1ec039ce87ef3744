//! Sessions: what is ended, and what is not.

use authentication_app::{ports::StoreError, sessions::EndSessionError};
use common::{Clock as _, clock::to_micros, page::PageRequest};
use testkit::builders::id;
use time::Duration;

use crate::bed::{Bed, PASSWORD, request};

const ADA: &str = "ada@example.com";

#[tokio::test]
async fn signing_out_twice_is_signing_out() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    for _ in 0..2 {
        bed.sessions.log_out(&session, &request()).await.unwrap();
    }
    assert!(bed.session_of(&ada.signed_in).await.is_none());
    let ended = bed.texts("SELECT action AS it FROM audit_entries WHERE action = 'session.ended'");
    assert_eq!(ended.await.len(), 1);
}

/// As when whoever ended it went down between the commit and telling the caches.
#[tokio::test]
async fn signing_out_again_tells_the_caches_what_nobody_told_them() {
    for everywhere in [false, true] {
        let bed = Bed::start().await;
        let ada = bed.register(ADA).await;
        let session = bed.session_of(&ada.signed_in).await.unwrap();
        let end = "UPDATE sessions SET ended_at = 1, end_reason = 'signed_out'";
        bed.database.execute(end).await;
        assert!(bed.session_of(&ada.signed_in).await.is_some(), "remembered");
        if everywhere {
            let ended = bed.sessions.log_out_everywhere(&session, &request()).await;
            assert_eq!(ended.unwrap(), 0);
        } else {
            bed.sessions.log_out(&session, &request()).await.unwrap();
        }
        assert!(bed.session_of(&ada.signed_in).await.is_none());
    }
}

#[tokio::test]
async fn nobody_ends_a_session_that_is_not_theirs_and_nothing_is_written() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    let grace = bed.register("grace@example.com").await;
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    let before = bed.contents().await;
    for foreign in [grace.signed_in.tokens.session, id()] {
        let answer = bed.sessions.end(&session, foreign, &request()).await;
        assert!(
            matches!(answer, Err(EndSessionError::NotFound)),
            "{answer:?}"
        );
    }
    assert_eq!(bed.contents().await, before);
    assert!(bed.session_of(&grace.signed_in).await.is_some());
}

#[tokio::test]
async fn signing_out_everywhere_leaves_none_and_says_how_many_there_were() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    let other = bed.log_in(ADA, PASSWORD, &request()).await.unwrap();
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    let ended = bed.sessions.log_out_everywhere(&session, &request()).await;
    assert_eq!(ended.unwrap(), 2);
    for signed_in in [&ada.signed_in, &other] {
        assert!(bed.session_of(signed_in).await.is_none());
    }
    let ended = bed.sessions.log_out_everywhere(&session, &request()).await;
    assert_eq!(ended.unwrap(), 0);
}

#[tokio::test]
async fn a_session_whose_origin_does_not_open_is_named() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    let page = PageRequest::new(Some(10), None).unwrap();
    let listed = bed.sessions.list(&session, &page).await.unwrap();
    assert!(listed.items[0].is_current);
    assert_eq!(listed.items[0].origin, request().origin);
    bed.database
        .execute("UPDATE sessions SET origin = zeroblob(64)")
        .await;
    let answer = bed.sessions.list(&session, &page).await.map(drop);
    let named = matches!(
        answer,
        Err(StoreError::Corrupt {
            table: "sessions",
            column: "origin"
        })
    );
    assert!(named, "{answer:?}");
}

/// An account that is closed meanwhile: its sessions are dead although nobody ended them.
#[tokio::test]
async fn a_closed_account_has_no_session() {
    for status in ["suspended", "deleted"] {
        let bed = Bed::start().await;
        let ada = bed.register(ADA).await;
        assert!(bed.session_of(&ada.signed_in).await.is_some());
        bed.set_status(&ada, status).await;
        assert!(bed.session_of(&ada.signed_in).await.is_none(), "{status}");
    }
}

/// A list that said otherwise would promise what a sign-in does not keep (ADR 0045).
#[tokio::test]
async fn a_device_remembered_for_longer_than_any_is_remembered_is_not_shown_as_remembered() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    for (days, shown) in [(0, false), (29, true), (31, false)] {
        let until = to_micros(bed.clock.now() + Duration::days(days));
        let remember = format!("UPDATE devices SET remembered_until = {until}");
        bed.database.execute(&remember).await;
        let devices = bed.sessions.list_devices(&session).await.unwrap();
        assert_eq!(devices[0].remembered_until.is_some(), shown, "{days} days");
    }
}
