//! What happens between a use case's read and its write.

use std::sync::atomic::Ordering;

use authentication_app::{
    IdempotentRequest, Repeatable,
    accounts::{ConfirmIdentifier, UpdateProfileError},
    challenges::{ProofError, VerifyCode, VerifyCodeError},
    credentials::{
        ChangePassword, ChangePasswordError, CompleteReset, CompleteResetError, ResetProof,
    },
    ports::{IdempotencyKey, SessionSnapshot, StoreError},
    sessions::{LogInError, ReauthenticateError, Reauthentication},
};
use authentication_domain::profiles::{DisplayName, ProfileChange};
use secrecy::ExposeSecret as _;
use time::Duration;

use crate::bed::{Bed, NEW_PASSWORD, PASSWORD, email, password, request, right_code};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const NEXT_VERSION: &str = "UPDATE accounts SET version = version + 1";
/// Rivals failed often enough.
const LOCK: &str = "INSERT INTO sign_in_failures (subject, device_id, failures, since, locked_until) \
     SELECT digest, zeroblob(16), 5, 0, 1772442900000000 FROM identifier_index";

impl Bed {
    /// What a sign-in answers, and how many hashes it took.
    async fn log_in_beside(&self, times: u64, sql: &'static str) -> (Result<(), LogInError>, u64) {
        self.come_in_between(times, sql);
        let before = self.hasher.hashes.load(Ordering::SeqCst);
        let answer = self.log_in(ADA, PASSWORD, &request()).await.map(drop);
        (answer, self.hasher.hashes.load(Ordering::SeqCst) - before)
    }

    async fn proof_of_reset(&self) -> CompleteReset {
        self.clock.advance(Duration::minutes(2));
        let asked = self
            .challenges
            .request_password_reset(&email(ADA), &request())
            .await;
        let challenge = asked.unwrap();
        let VerifyCode { challenge, code } = right_code(&challenge, &self.code_sent_to(ADA).await);
        CompleteReset {
            proof: ResetProof::Code { challenge, code },
            new_password: password(NEW_PASSWORD),
        }
    }
}

#[tokio::test]
async fn a_sign_in_that_meets_a_change_of_password_is_judged_by_the_new_one() {
    let bed = Bed::start().await;
    bed.register(ADA).await;
    let (answer, hashes) = bed
        .log_in_beside(
            1,
            "UPDATE password_credentials SET password_hash = 'old$another'; \
             UPDATE accounts SET version = version + 1",
        )
        .await;
    assert!(
        matches!(answer, Err(LogInError::InvalidCredentials)),
        "{answer:?}"
    );
    assert_eq!(hashes, 2);
    assert_eq!(
        bed.database.count("sessions").await,
        1,
        "the one of the registration"
    );
}

#[tokio::test]
async fn a_sign_in_that_meets_another_change_runs_again_and_succeeds() {
    let bed = Bed::start().await;
    bed.register(ADA).await;
    let (answer, hashes) = bed.log_in_beside(1, NEXT_VERSION).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!((hashes, bed.database.count("sessions").await), (2, 2));
}

#[tokio::test]
async fn a_sign_in_is_tried_three_times_at_the_most_and_leaves_nothing() {
    let bed = Bed::start().await;
    bed.register(ADA).await;
    let (answer, hashes) = bed.log_in_beside(u64::MAX, NEXT_VERSION).await;
    let gave_up = matches!(answer, Err(LogInError::Store(StoreError::Retryable)));
    assert!(gave_up, "{answer:?}");
    assert_eq!((hashes, bed.database.count("sessions").await), (3, 1));
}

/// A right password too: the fifth failure was answered before it.
#[tokio::test]
async fn a_lock_that_falls_while_a_password_is_compared_holds() {
    for typed in [PASSWORD, NEW_PASSWORD] {
        for status in ["active", "suspended"] {
            let bed = Bed::start().await;
            let ada = bed.register(ADA).await;
            bed.set_status(&ada, status).await;
            bed.come_in_between(1, LOCK);
            let answer = bed.log_in(ADA, typed, &request()).await.map(drop);
            let Err(LogInError::Locked { retry_after }) = answer else {
                panic!("{status}, {typed}: {answer:?}")
            };
            assert_eq!(retry_after, Duration::minutes(15));
            assert_eq!(bed.database.count("sessions").await, 1);
            let refused = "session.sign_in account_locked";
            let actions = bed.actions().await;
            assert!(actions.iter().any(|it| it == refused), "{actions:?}");
        }
    }
}

#[tokio::test]
async fn a_password_is_not_changed_on_an_account_that_changed_meanwhile() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    let command = ChangePassword {
        current: password(PASSWORD),
        new: password(NEW_PASSWORD),
    };
    bed.come_in_between(1, NEXT_VERSION);
    let answer = bed
        .credentials
        .change_password(&session, &command, Repeatable::default(), &request())
        .await;
    assert!(
        matches!(answer, Err(ChangePasswordError::Conflict)),
        "{answer:?}"
    );
    assert!(bed.log_in(ADA, PASSWORD, &request()).await.is_ok());
    // Asked again it works: it is judged on the account as it is.
    let answer = bed
        .credentials
        .change_password(&session, &command, Repeatable::default(), &request())
        .await;
    assert!(answer.is_ok(), "{answer:?}");
    assert!(bed.log_in(ADA, NEW_PASSWORD, &request()).await.is_ok());
}

/// The answer to the first of two equal requests is recorded while the current password of the second one is
/// compared, which is the old one by then.
#[tokio::test]
async fn a_change_that_is_repeated_at_the_same_moment_is_no_failure() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    let command = ChangePassword {
        current: password(PASSWORD),
        new: password(NEW_PASSWORD),
    };
    let repeatable = Repeatable {
        request: Some(IdempotentRequest {
            key: IdempotencyKey([1; 32]),
            body_digest: [2; 32],
        }),
        token_is_outdated: false,
    };
    let change = async |presented_generation| {
        let session = SessionSnapshot {
            presented_generation,
            ..session.clone()
        };
        let ctx = request();
        let answer = bed
            .credentials
            .change_password(&session, &command, repeatable, &ctx);
        answer.await.unwrap().refresh_token
    };
    let first = change(0).await;
    bed.database
        .execute("CREATE TABLE recorded AS SELECT * FROM idempotency_records")
        .await;
    bed.database
        .execute("DELETE FROM idempotency_records")
        .await;
    bed.come_in_between(1, "INSERT INTO idempotency_records SELECT * FROM recorded");
    // By the time that the second one was let in, its token had not been replaced.
    let second = change(1).await;
    assert_eq!(second.expose_secret(), first.expose_secret());
    assert_eq!(bed.database.count("sign_in_failures").await, 0);
    let actions = bed.actions().await;
    let refused = "credential.password_changed invalid_current_password";
    assert!(!actions.iter().any(|it| it == refused), "{actions:?}");
}

/// A proof by the password, while `sql` happens.
async fn prove_beside(bed: &Bed, sql: &'static str) -> Result<(), ReauthenticateError> {
    let ada = bed.register(ADA).await;
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    bed.come_in_between(1, sql);
    let proof = Reauthentication::Password(password(PASSWORD));
    bed.sessions
        .reauthenticate(&session, &proof, Repeatable::default(), &request())
        .await
        .map(drop)
}

#[tokio::test]
async fn a_proof_that_meets_a_change_of_password_is_judged_by_the_new_one() {
    let bed = Bed::start().await;
    let done = prove_beside(
        &bed,
        "UPDATE password_credentials SET password_hash = 'old$another'; \
         UPDATE accounts SET version = version + 1",
    )
    .await;
    assert!(
        matches!(done, Err(ReauthenticateError::InvalidPassword)),
        "{done:?}"
    );
}

#[tokio::test]
async fn a_proof_whose_token_was_replaced_or_whose_session_ended_meanwhile_does_nothing() {
    for sql in [
        "UPDATE sessions SET generation = 1, proven_generation = 1",
        "UPDATE sessions SET ended_at = created_at, end_reason = 'signed_out'",
    ] {
        let bed = Bed::start().await;
        let done = prove_beside(&bed, sql).await;
        let over = ProofError::Store(StoreError::SessionOver).to_string();
        assert_eq!(done.unwrap_err().to_string(), over, "{sql}");
        let actions = bed.actions().await;
        assert!(
            !actions.iter().any(|it| it.contains("reauthenticated")),
            "{actions:?}"
        );
    }
}

/// Five guesses through a session: the lock is the session's, and falls for a right password too.
#[tokio::test]
async fn guesses_through_a_session_are_locked_and_lock_nobody_out() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    let change = async |current: &str| {
        let command = ChangePassword {
            current: password(current),
            new: password(NEW_PASSWORD),
        };
        let ctx = request();
        bed.credentials
            .change_password(&session, &command, Repeatable::default(), &ctx)
            .await
    };
    for _ in 0..5 {
        let answer = change("wrong-Harbour-42-zeppelin").await;
        let wrong = matches!(answer, Err(ChangePasswordError::InvalidCurrentPassword));
        assert!(wrong, "{answer:?}");
    }
    let before = bed.contents().await;
    let answer = change(PASSWORD).await;
    assert!(
        matches!(answer, Err(ChangePasswordError::Locked { .. })),
        "{answer:?}"
    );
    assert_eq!(bed.contents().await, before);
    assert!(bed.log_in(ADA, PASSWORD, &request()).await.is_ok());
    bed.clock.advance(Duration::minutes(15));
    assert!(change(PASSWORD).await.is_ok());
}

#[tokio::test]
async fn a_lock_that_falls_while_the_old_password_is_compared_holds() {
    for current in [PASSWORD, "wrong-Harbour-42-zeppelin"] {
        let bed = Bed::start().await;
        let ada = bed.register(ADA).await;
        let session = bed.session_of(&ada.signed_in).await.unwrap();
        let command = ChangePassword {
            current: password(current),
            new: password(NEW_PASSWORD),
        };
        // Rivals through the same session, whose id is what they are counted by: a lock for 15 minutes from START.
        bed.come_in_between(
            1,
            "INSERT INTO sign_in_failures (subject, device_id, failures, since, locked_until) \
             SELECT i.digest, s.id, 5, 0, 1772442900000000 FROM identifier_index i, sessions s",
        );
        let answer = bed
            .credentials
            .change_password(&session, &command, Repeatable::default(), &request())
            .await;
        let Err(ChangePasswordError::Locked { retry_after }) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(retry_after, Duration::minutes(15));
        assert!(bed.log_in(ADA, PASSWORD, &request()).await.is_ok());
    }
}

#[tokio::test]
async fn a_reset_on_an_account_that_changed_meanwhile_leaves_the_code_alive() {
    let bed = Bed::start().await;
    bed.register(ADA).await;
    let command = bed.proof_of_reset().await;
    bed.come_in_between(1, NEXT_VERSION);
    let answer = bed.credentials.complete_reset(&command, &request()).await;
    assert!(
        matches!(answer, Err(CompleteResetError::Conflict)),
        "{answer:?}"
    );
    let answer = bed.credentials.complete_reset(&command, &request()).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert!(bed.log_in(ADA, NEW_PASSWORD, &request()).await.is_ok());
}

/// Two clients with the same code: one used it while the other's password was hashed.
#[tokio::test]
async fn a_code_that_is_used_up_meanwhile_resets_nothing() {
    let bed = Bed::start().await;
    bed.register(ADA).await;
    let command = bed.proof_of_reset().await;
    bed.come_in_between(1, "UPDATE code_dispatches SET used_at = 1");
    let answer = bed.credentials.complete_reset(&command, &request()).await;
    let refused = matches!(
        answer,
        Err(CompleteResetError::Proof(ProofError::InvalidCode))
    );
    assert!(refused, "{answer:?}");
    assert!(bed.log_in(ADA, PASSWORD, &request()).await.is_ok());
}

/// The owner is found by where the code went, and read after that. What is put back here is what a rival sees who
/// asks in between: the row that finds the owner, and the code.
#[tokio::test]
async fn a_code_that_went_to_the_identifier_before_resets_nothing() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    let command = bed.proof_of_reset().await;
    bed.database
        .execute("CREATE TABLE sent AS SELECT * FROM code_dispatches")
        .await;
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    let asked = bed
        .accounts
        .request_identifier_change(&session, &email(BOB), &request())
        .await;
    let VerifyCode { challenge, code } = right_code(&asked.unwrap(), &bed.code_sent_to(BOB).await);
    let proof = ConfirmIdentifier { challenge, code };
    let changed = bed
        .accounts
        .confirm_identifier_change(&session, &proof, &request())
        .await;
    assert!(changed.is_ok(), "{changed:?}");
    for back in [
        "UPDATE identifier_index SET reserved_until = NULL",
        "DELETE FROM code_dispatches",
        "INSERT INTO code_dispatches SELECT * FROM sent",
    ] {
        bed.database.execute(back).await;
    }
    let answer = bed.credentials.complete_reset(&command, &request()).await;
    let refused = matches!(
        answer,
        Err(CompleteResetError::Proof(ProofError::InvalidCode))
    );
    assert!(refused, "{answer:?}");
    assert!(bed.log_in(BOB, PASSWORD, &request()).await.is_ok());
}

#[tokio::test]
async fn a_profile_that_is_another_by_now_is_a_conflict() {
    let bed = Bed::start().await;
    let ada = bed.register(ADA).await;
    let session = bed.session_of(&ada.signed_in).await.unwrap();
    let change = ProfileChange {
        first_name: Some(Some(DisplayName::parse("Ada").unwrap())),
        ..ProfileChange::default()
    };
    // The conditional write finds another version.
    bed.database
        .execute("CREATE TRIGGER rival BEFORE UPDATE ON profiles BEGIN SELECT RAISE(IGNORE); END")
        .await;
    let before = bed.contents().await;
    let ctx = request();
    let answer = bed.accounts.update_profile(&session, &change, &ctx).await;
    assert!(
        matches!(answer, Err(UpdateProfileError::Conflict)),
        "{answer:?}"
    );
    assert_eq!(bed.contents().await, before);

    bed.database.execute("DROP TRIGGER rival").await;
    bed.database.execute("DELETE FROM accounts").await;
    let answer = bed.accounts.update_profile(&session, &change, &ctx).await;
    assert!(
        matches!(answer, Err(UpdateProfileError::NotFound)),
        "{answer:?}"
    );
}

/// Whoever came later learns only that the code is dead.
#[tokio::test]
async fn a_code_for_an_identifier_that_was_taken_meanwhile_is_dead() {
    let bed = Bed::start().await;
    let first = bed.ask_to_register(ADA).await;
    let code = bed.code_sent_to(ADA).await;
    let second = bed.ask_to_register(ADA).await;
    // The index says so in the statement that inserts: both had read that nobody is there.
    let proof = right_code(&first, &code);
    assert!(bed.challenges.verify(&proof, &request()).await.is_ok());
    bed.database
        .execute("UPDATE code_dispatches SET used_at = NULL")
        .await;
    let proof = right_code(&second, &code);
    let answer = bed.challenges.verify(&proof, &request()).await.map(drop);
    let dead = matches!(answer, Err(VerifyCodeError::Proof(ProofError::InvalidCode)));
    assert!(dead, "{answer:?}");
    assert_eq!(bed.database.count("accounts").await, 1);
}
