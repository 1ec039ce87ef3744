//! What a change of identifier, taking it back, and "this was not me" write: all of it or nothing.

use authentication_app::accounts::ConfirmIdentifier;
use authentication_domain::{challenges::CodeNonce, opaque_token::OpaqueToken};
use time::Duration;

use crate::{
    bed::{Bed, PASSWORD, Person, email, request, right_code},
    effects::{ADA, SENDING, all_or_nothing},
};

const NEW: &str = "ada@example.org";

/// The token of the link in the newest notice of a kind.
async fn token_of(bed: &Bed, person: &Person, kind: &str) -> OpaqueToken {
    let sql = format!(
        "SELECT hex(nonce) AS it FROM outbox_messages WHERE kind = '{kind}' ORDER BY created_at DESC"
    );
    let nonce = bed.texts(&sql).await.remove(0);
    let nonce = u128::from_str_radix(&nonce, 16).unwrap().to_be_bytes();
    bed.base
        .macs
        .notice_link_token(CodeNonce(nonce), person.account)
}

async fn ada_with_code(bed: &Bed) -> (Person, ConfirmIdentifier) {
    let ada = bed.register(ADA).await;
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    let asked = bed
        .accounts
        .request_identifier_change(&session, &email(NEW), &request())
        .await
        .unwrap();
    let code = bed.code_sent_to(NEW).await;
    let proof = right_code(&asked, &code);
    let command = ConfirmIdentifier {
        challenge: proof.challenge,
        code: proof.code,
    };
    (ada, command)
}

async fn confirm(bed: &Bed, (ada, command): &(Person, ConfirmIdentifier)) -> bool {
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    let confirmed = bed
        .accounts
        .confirm_identifier_change(&session, command, &request())
        .await;
    confirmed.is_ok_and(|view| view.identifier == email(NEW))
}

#[tokio::test]
async fn asking_for_another_identifier_sends_a_code_and_changes_nothing() {
    let arrange = async |bed: &Bed| bed.register(ADA).await;
    let writes = [&SENDING[..], &["code_tries"]].concat();
    all_or_nothing(&writes, arrange, async |bed, ada: &Person| {
        let session = bed.session_of(&ada.signed_in).await.unwrap();
        bed.accounts
            .request_identifier_change(&session, &email(NEW), &request())
            .await
            .is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_change_of_identifier_is_made_whole_or_not_at_all() {
    let arrange = async |bed: &Bed| {
        let arranged = ada_with_code(bed).await;
        bed.log_in(ADA, PASSWORD, &request()).await.unwrap();
        arranged
    };
    let writes = [
        "challenges",
        "code_dispatches",
        "code_tries",
        "accounts",
        "security_moves",
        "identifier_index",
        "sessions",
        "audit_entries",
        "outbox_events",
        "notice_links",
        "outbox_messages",
    ];
    all_or_nothing(&writes, arrange, confirm).await;
}

/// A password that is locked, devices, sessions: whatever lets somebody in.
const SHUTTING_OUT: [&str; 9] = [
    "notice_links",
    "accounts",
    "security_moves",
    "password_credentials",
    "devices",
    "sessions",
    "audit_entries",
    "outbox_events",
    "outbox_messages",
];

#[tokio::test]
async fn taking_a_change_back_is_done_whole_or_not_at_all() {
    let arrange = async |bed: &Bed| {
        let arranged = ada_with_code(bed).await;
        assert!(confirm(bed, &arranged).await);
        let token = token_of(bed, &arranged.0, "identifier_changed").await;
        bed.clock.advance(Duration::HOUR);
        token
    };
    let writes = [&SHUTTING_OUT[..], &["identifier_index"]].concat();
    all_or_nothing(&writes, arrange, async |bed, token| {
        let ctx = request();
        let undone = bed.accounts.undo_identifier_change(token, &ctx);
        undone.await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn saying_it_was_not_me_is_done_whole_or_not_at_all() {
    let arrange = async |bed: &Bed| {
        let ada = bed.register(ADA).await;
        bed.log_in(ADA, PASSWORD, &request()).await.unwrap();
        token_of(bed, &ada, "new_device").await
    };
    let writes = [&SHUTTING_OUT[..], &["code_dispatches", "notice_gatherings"]].concat();
    all_or_nothing(&writes, arrange, async |bed, token| {
        bed.accounts.not_me(token, &request()).await.is_ok()
    })
    .await;
}
