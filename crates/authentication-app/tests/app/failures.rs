//! What is outside fails: what is answered, and what is left.

use std::sync::atomic::Ordering;

use authentication_app::{
    IdempotentRequest, Repeatable,
    accounts::{Register, RegisterError},
    challenges::{ProofError, ResendError, SendError, VerifyCodeError},
    credentials::{ChangePassword, ChangePasswordError},
    ports::{HashError, IdempotencyKey, StoreError},
    sessions::{LogInError, RefreshError},
};
use authentication_domain::{opaque_token::OpaqueToken, profiles::Profile};
use common::access::Role;
use secrecy::ExposeSecret as _;
use time::Duration;

use crate::bed::{Bed, NEW_PASSWORD, PASSWORD, email, password, request, right_code};

const ADA: &str = "ada@example.com";

fn registration(role: Role) -> Register {
    Register {
        identifier: email("grace@example.com"),
        password: password(PASSWORD),
        role,
        profile: Profile::default(),
    }
}

/// 503, and nobody's failure is counted.
#[tokio::test]
async fn a_full_queue_of_hashes_leaves_nothing() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    let before = bed.contents().await;
    bed.hasher.is_overloaded.store(true, Ordering::SeqCst);
    for whom in [ADA, "nobody@example.com"] {
        let answer = bed.log_in(whom, PASSWORD, &request()).await.map(drop);
        let overloaded = matches!(answer, Err(LogInError::Hash(HashError::Overloaded)));
        assert!(overloaded, "{answer:?}");
    }
    let answer = bed
        .accounts
        .register(registration(Role::Client), None, &request())
        .await;
    let answer = answer.map(drop);
    let overloaded = matches!(answer, Err(RegisterError::Hash(HashError::Overloaded)));
    assert!(overloaded, "{answer:?}");
    let command = ChangePassword {
        current: password(PASSWORD),
        new: password(NEW_PASSWORD),
    };
    let answer = bed
        .credentials
        .change_password(&session, &command, Repeatable::default(), &request())
        .await;
    let overloaded = matches!(
        answer,
        Err(ChangePasswordError::Hash(HashError::Overloaded))
    );
    assert!(overloaded, "{answer:?}");
    assert_eq!(bed.contents().await, before);
}

#[tokio::test]
async fn whoever_wants_to_be_staff_costs_no_hash() {
    let bed = Bed::start().await;
    for role in [Role::Admin, Role::Support, Role::Editor] {
        let answer = bed
            .accounts
            .register(registration(role), None, &request())
            .await;
        let answer = answer.map(drop);
        assert!(
            matches!(answer, Err(RegisterError::RoleNotOffered)),
            "{answer:?}"
        );
    }
    assert_eq!(bed.hasher.hashes.load(Ordering::SeqCst), 0);
    assert_eq!(bed.database.count("challenges").await, 0);
}

#[tokio::test]
async fn a_broken_signing_key_begins_no_session_and_uses_no_code_up() {
    let bed = Bed::start().await;
    bed.register(ADA).await;
    bed.clock.advance(Duration::minutes(2));
    let challenge = bed
        .challenges
        .request_sign_in(&email(ADA), &request())
        .await
        .unwrap();
    let proof = right_code(&challenge, &bed.code_sent_to(ADA).await);
    let before = bed.contents().await;
    bed.signer.is_broken.store(true, Ordering::SeqCst);
    let answer = bed.log_in(ADA, PASSWORD, &request()).await.map(drop);
    assert!(matches!(answer, Err(LogInError::Signing(_))), "{answer:?}");
    let answer = bed.challenges.verify(&proof, &request()).await.map(drop);
    assert!(
        matches!(answer, Err(VerifyCodeError::Signing(_))),
        "{answer:?}"
    );
    assert_eq!(bed.contents().await, before);
    bed.signer.is_broken.store(false, Ordering::SeqCst);
    assert!(bed.challenges.verify(&proof, &request()).await.is_ok());
}

/// Its rotation is committed by then, and is as a lost answer is.
#[tokio::test]
async fn a_refresh_that_found_no_signing_key_may_be_repeated() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    let token = ada.signed_in.tokens.refresh_token.expose_secret();
    bed.signer.is_broken.store(true, Ordering::SeqCst);
    let answer = bed.sessions.refresh(token, &request()).await.map(drop);
    assert!(
        matches!(answer, Err(RefreshError::Signing(_))),
        "{answer:?}"
    );
    bed.signer.is_broken.store(false, Ordering::SeqCst);
    let first = bed.sessions.refresh(token, &request()).await.unwrap();
    let again = bed.sessions.refresh(token, &request()).await.unwrap();
    let texts = [&first, &again].map(|it| it.refresh_token.expose_secret().to_owned());
    assert_eq!(texts[0], texts[1]);
    assert!(bed.sessions.refresh(&texts[0], &request()).await.is_ok());
}

#[tokio::test]
async fn a_hash_of_earlier_parameters_is_replaced_by_a_sign_in_and_never_at_its_cost() {
    let bed = Bed::start().await;
    bed.register(ADA).await;
    bed.hasher.is_renewed.store(true, Ordering::SeqCst);
    let hash = async || {
        let hashes = bed
            .texts("SELECT password_hash AS it FROM password_credentials")
            .await;
        hashes.into_iter().next().unwrap()
    };
    assert!(hash().await.starts_with("old$"));
    assert!(bed.log_in(ADA, NEW_PASSWORD, &request()).await.is_err());
    assert!(hash().await.starts_with("old$"), "nobody knew the password");
    assert!(bed.log_in(ADA, PASSWORD, &request()).await.is_ok());
    assert!(hash().await.starts_with("new$"));
    assert!(bed.log_in(ADA, PASSWORD, &request()).await.is_ok());
}

#[track_caller]
fn assert_corrupt(error: &StoreError, table: &str, column: &str) {
    let StoreError::Corrupt {
        table: found,
        column: of,
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((*found, *of), (table, column));
}

/// Foreign hands, or a backup of another key.
#[tokio::test]
async fn a_stored_value_that_does_not_open_is_named_and_nobody_is_let_in() {
    for (table, column, place) in [
        ("accounts", "identifier", ("accounts", "identifier")),
        ("profiles", "document", ("profiles", "document")),
        (
            "account_keys",
            "wrapped_key",
            ("account_keys", "wrapped_key"),
        ),
    ] {
        let bed = Bed::start().await;
        bed.register(ADA).await;
        bed.database
            .execute(&format!("UPDATE {table} SET {column} = zeroblob(64)"))
            .await;
        let before = bed.contents().await;
        let answer = bed.log_in(ADA, PASSWORD, &request()).await.map(drop);
        let Err(LogInError::Store(error)) = answer else {
            panic!("{answer:?}")
        };
        assert_corrupt(&error, place.0, place.1);
        assert_eq!(bed.contents().await, before);
    }
}

#[tokio::test]
async fn a_challenge_that_does_not_open_is_named() {
    let bed = Bed::start().await;
    let challenge = bed.ask_to_register(ADA).await;
    let proof = right_code(&challenge, &bed.code_sent_to(ADA).await);
    bed.database
        .execute("UPDATE challenges SET payload = zeroblob(64)")
        .await;
    let answer = bed.challenges.verify(&proof, &request()).await.map(drop);
    let Err(VerifyCodeError::Proof(ProofError::Store(error))) = answer else {
        panic!("{answer:?}")
    };
    assert_corrupt(&error, "challenges", "payload");
    bed.clock.advance(Duration::minutes(2));
    let answer = bed.challenges.resend(&proof.challenge, &request()).await;
    let Err(ResendError::Send(SendError::Store(error))) = answer.map(drop) else {
        panic!("it opened")
    };
    assert_corrupt(&error, "challenges", "payload");
}

#[tokio::test]
async fn a_challenge_that_is_not_there_is_unknown() {
    let bed = Bed::start().await;
    let unknown = OpaqueToken::from_random([9; 16]);
    let answer = bed.challenges.resend(&unknown, &request()).await.map(drop);
    assert!(
        matches!(answer, Err(ResendError::UnknownChallenge)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_recorded_answer_that_does_not_open_is_named_and_not_made_again() {
    let bed = Bed::start().await;
    let repeatable = IdempotentRequest {
        key: IdempotencyKey([1; 32]),
        body_digest: [2; 32],
    };
    let ask = async |request_of: IdempotentRequest| {
        bed.accounts
            .register(registration(Role::Client), Some(request_of), &request())
            .await
    };
    let first = ask(repeatable).await.unwrap();
    assert_eq!(ask(repeatable).await.unwrap(), first);
    let another = IdempotentRequest {
        body_digest: [3; 32],
        ..repeatable
    };
    let answer = ask(another).await.map(drop);
    assert!(
        matches!(answer, Err(RegisterError::IdempotencyKeyReused)),
        "{answer:?}"
    );
    bed.database
        .execute("UPDATE idempotency_records SET answer = zeroblob(64)")
        .await;
    let Err(RegisterError::Send(SendError::Store(error))) = ask(repeatable).await else {
        panic!("it opened")
    };
    assert_corrupt(&error, "idempotency_records", "answer");
    assert_eq!(bed.database.count("challenges").await, 1);
}

#[tokio::test]
async fn upkeep_says_how_much_went_and_whether_the_store_is_there() {
    let bed = Bed::start().await;
    bed.ask_to_register(ADA).await;
    bed.deliver().await;
    assert_eq!(bed.upkeep.purge().await.unwrap(), 0);
    bed.upkeep.ping_store().await.unwrap();
    bed.clock.advance(Duration::days(2));
    assert!(
        bed.upkeep.purge().await.unwrap() >= 2,
        "challenge and dispatch"
    );
    assert_eq!(bed.database.count("challenges").await, 0);
}
