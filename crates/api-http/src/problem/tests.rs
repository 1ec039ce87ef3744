use std::fmt::Write as _;

use authentication_app::{
    accounts::{RegisterError, UpdateProfileError},
    challenges::{ProofError, ResendError, SendError, VerifyCodeError},
    credentials::{ChangePasswordError, CompleteResetError},
    ports::{HashError, Outage, SigningFailed, StoreError, UniqueRule},
    sessions::{AuthenticateError, EndSessionError, LogInError, RefreshError},
};
use authentication_domain::credentials::Weakness;

use super::*;

const WAIT: Duration = Duration::milliseconds(90_500);

/// The visible parts of a problem: status, code, time to wait, and fields.
fn seen(problem: impl Into<Problem>) -> String {
    let problem = problem.into();
    let response = problem.error_response();
    let mut line = format!("{} {}", response.status().as_u16(), problem.code().as_str());
    for name in ["retry-after", "www-authenticate"] {
        if let Some(value) = response.headers().get(name) {
            write!(line, " [{name}: {}]", value.to_str().unwrap()).unwrap();
        }
    }
    for error in problem.errors() {
        write!(line, " [{}: {}]", error.field, error.code).unwrap();
    }
    line
}

#[test]
fn what_a_client_sees_of_each_outcome() {
    let too_many = || SendError::TooManyMessages { retry_after: WAIT };
    let tried = || ProofError::TooManyAttempts { retry_after: WAIT };
    let outcomes = [
        (
            "store: conflict",
            seen(StoreError::Conflict(UniqueRule::Other)),
        ),
        ("store: retryable", seen(StoreError::Retryable)),
        (
            "store: unavailable",
            seen(StoreError::Unavailable(Outage::Away)),
        ),
        (
            "store: corrupt",
            seen(StoreError::Corrupt {
                table: "t",
                column: "c",
            }),
        ),
        ("store: failed", seen(StoreError::Failed("detail".into()))),
        ("hash: overloaded", seen(HashError::Overloaded)),
        ("hash: failed", seen(HashError::Failed)),
        ("signing failed", seen(SigningFailed)),
        ("send: too many", seen(too_many())),
        ("proof: invalid", seen(ProofError::InvalidCode)),
        ("proof: too many", seen(tried())),
        ("register: role", seen(RegisterError::RoleNotOffered)),
        (
            "register: weak",
            seen(RegisterError::WeakPassword(Weakness::Common)),
        ),
        ("register: send", seen(RegisterError::Send(too_many()))),
        (
            "register: key reused",
            seen(RegisterError::IdempotencyKeyReused),
        ),
        (
            "register: key in progress",
            seen(RegisterError::IdempotencyInProgress),
        ),
        (
            "register: hash",
            seen(RegisterError::Hash(HashError::Overloaded)),
        ),
        ("resend: unknown", seen(ResendError::UnknownChallenge)),
        ("resend: send", seen(ResendError::Send(too_many()))),
        ("verify: proof", seen(VerifyCodeError::Proof(tried()))),
        ("verify: suspended", seen(VerifyCodeError::Suspended)),
        (
            "verify: signing",
            seen(VerifyCodeError::Signing(SigningFailed)),
        ),
        ("log in: invalid", seen(LogInError::InvalidCredentials)),
        (
            "log in: locked",
            seen(LogInError::Locked { retry_after: WAIT }),
        ),
        ("log in: suspended", seen(LogInError::Suspended)),
        (
            "log in: hash",
            seen(LogInError::Hash(HashError::Overloaded)),
        ),
        ("refresh: invalid", seen(RefreshError::InvalidToken)),
        ("refresh: reused", seen(RefreshError::Reused)),
        (
            "authenticate: invalid",
            seen(AuthenticateError::InvalidToken),
        ),
        ("end session: not found", seen(EndSessionError::NotFound)),
        (
            "update profile: conflict",
            seen(UpdateProfileError::Conflict),
        ),
        (
            "update profile: not found",
            seen(UpdateProfileError::NotFound),
        ),
        (
            "change password: wrong",
            seen(ChangePasswordError::InvalidCurrentPassword),
        ),
        (
            "change password: locked",
            seen(ChangePasswordError::Locked { retry_after: WAIT }),
        ),
        (
            "change password: weak",
            seen(ChangePasswordError::WeakPassword(Weakness::Guessable)),
        ),
        (
            "change password: conflict",
            seen(ChangePasswordError::Conflict),
        ),
        (
            "reset: proof",
            seen(CompleteResetError::Proof(ProofError::InvalidCode)),
        ),
        (
            "reset: weak",
            seen(CompleteResetError::WeakPassword(Weakness::TooShort {
                minimum: 8,
            })),
        ),
        ("reset: conflict", seen(CompleteResetError::Conflict)),
    ];
    let table: Vec<_> = outcomes
        .iter()
        .map(|(outcome, seen)| format!("{outcome:26} {seen}"))
        .collect();
    insta::assert_snapshot!(table.join("\n"));
}

/// Every route answers with a temporary problem and never with a rejection.
#[test]
fn a_store_that_is_away_is_the_same_to_every_route() {
    let away = || StoreError::Unavailable(Outage::Away);
    let expected = seen(away());
    assert!(expected.starts_with("503 "), "{expected}");
    for outcome in [
        seen(SendError::Store(away())),
        seen(ProofError::Store(away())),
        seen(RegisterError::Send(away().into())),
        seen(ResendError::Send(away().into())),
        seen(VerifyCodeError::Proof(away().into())),
        seen(LogInError::Store(away())),
        seen(RefreshError::Store(away())),
        seen(AuthenticateError::Store(away())),
        seen(EndSessionError::Store(away())),
        seen(UpdateProfileError::Store(away())),
        seen(ChangePasswordError::Store(away())),
        seen(CompleteResetError::Proof(away().into())),
    ] {
        assert_eq!(outcome, expected);
    }
}

#[test]
fn what_we_cannot_compute_is_the_same_to_every_route() {
    for overloaded in [
        seen(LogInError::Hash(HashError::Overloaded)),
        seen(RegisterError::Hash(HashError::Overloaded)),
        seen(ChangePasswordError::Hash(HashError::Overloaded)),
        seen(CompleteResetError::Hash(HashError::Overloaded)),
    ] {
        assert_eq!(overloaded, seen(HashError::Overloaded));
    }
    for unsigned in [
        seen(LogInError::Signing(SigningFailed)),
        seen(RefreshError::Signing(SigningFailed)),
        seen(VerifyCodeError::Signing(SigningFailed)),
    ] {
        assert_eq!(unsigned, "500 internal_error");
    }
}

#[test]
fn a_cause_is_for_the_log_and_not_for_the_client() {
    let problem = Problem::from(StoreError::Failed("disk full at /var".into()));
    let document = ProblemDocument::new(&problem, &common::RequestId::parse("r1").unwrap());
    let body = serde_json::to_string(&document).unwrap();
    assert!(
        !body.contains("disk") && !body.contains("statement"),
        "{body}"
    );
    assert!(!format!("{problem:?} {problem}").contains("disk"));
    assert_eq!(
        problem.cause_chain().as_deref(),
        Some("a statement failed: disk full at /var")
    );
}

#[test]
fn the_document_for_people_lists_every_code() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/problems.md");
    let written = std::fs::read_to_string(file).unwrap_or_default();
    let section = written.split("\n## ").find(|it| it.starts_with("Codes\n"));
    let rows: Vec<_> = section
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let expected: Vec<_> = ProblemCode::ALL
        .iter()
        .map(|code| {
            let entry = code.entry();
            let status = entry.status.as_u16();
            format!(
                "| `{}` | {status} | {} | {} |",
                entry.name, entry.title, entry.detail
            )
        })
        .collect();
    assert!(
        rows == expected,
        "the table under Codes in docs/problems.md must be:\n{}",
        expected.join("\n")
    );
}

#[test]
fn codes_are_unique_and_refusals_without_a_code_find_one() {
    let names: std::collections::HashSet<_> =
        ProblemCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), ProblemCode::ALL.len());
    assert_eq!(
        ProblemCode::of_status(StatusCode::NOT_FOUND),
        ProblemCode::NotFound
    );
    assert_eq!(
        ProblemCode::of_status(StatusCode::IM_A_TEAPOT),
        ProblemCode::MalformedRequest
    );
    assert_eq!(
        ProblemCode::of_status(StatusCode::BAD_GATEWAY),
        ProblemCode::InternalError
    );
}
