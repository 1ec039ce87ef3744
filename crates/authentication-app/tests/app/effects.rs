//! What each use case writes, and that it writes all of it or nothing.
//!
//! Each is run once for every table that it writes to, with that table broken: it must fail, leave every
//! row of every table as it was, and succeed when the table is whole again.

use std::collections::BTreeSet;

use authentication_app::{
    IdempotentRequest, Repeatable,
    accounts::Register,
    challenges::{IssuedChallenge, VerifyCode},
    credentials::{ChangePassword, CompleteReset, ResetProof},
    ports::IdempotencyKey,
};
use authentication_domain::profiles::{DisplayName, Profile, ProfileChange};
use common::access::Role;
use secrecy::ExposeSecret as _;
use time::Duration;

use crate::bed::{
    Bed, NEW_PASSWORD, PASSWORD, Person, email, password, request, right_code, wrong_code,
};

pub(crate) const ADA: &str = "ada@example.com";

/// Runs `act` on what `arrange` made, with each of the tables broken, and then whole.
pub(crate) async fn all_or_nothing<A>(
    writes: &[&str],
    arrange: impl AsyncFn(&Bed) -> A,
    act: impl AsyncFn(&Bed, &A) -> bool,
) {
    for broken in writes {
        let bed = Bed::start().await;
        let arranged = arrange(&bed).await;
        let before = bed.contents().await;
        bed.sabotage(broken).await;
        assert!(!act(&bed, &arranged).await, "without {broken}");
        let left = bed.contents().await;
        assert_eq!(
            left.changed_since(&before),
            BTreeSet::new(),
            "left by a run without {broken}"
        );
        bed.repair().await;
        assert!(act(&bed, &arranged).await, "{broken} is whole again");
        let after = bed.contents().await;
        let written: BTreeSet<_> = writes.iter().copied().collect();
        assert_eq!(after.changed_since(&before), written);
    }
}

/// What every sign-in writes.
const SIGN_IN: [&str; 4] = ["devices", "sessions", "audit_entries", "outbox_events"];
/// What is written to tell the owner of an account of something, with a link to say that it was not them.
const NOTICE: [&str; 3] = ["notice_gatherings", "notice_links", "outbox_messages"];
/// What every code that is sent does.
pub(crate) const SENDING: [&str; 5] = [
    "challenges",
    "code_dispatches",
    "message_quotas",
    "outbox_messages",
    "audit_entries",
];

fn registration() -> Register {
    Register {
        identifier: email(ADA),
        password: password(PASSWORD),
        role: Role::Client,
        profile: Profile::default(),
    }
}

async fn nobody(_: &Bed) {}

async fn ada(bed: &Bed) -> Person {
    bed.register(ADA).await
}

/// Somebody who has a session, and has asked for a code a while later.
async fn ada_with_code(bed: &Bed, challenge: IssuedChallenge) -> VerifyCode {
    let code = bed.code_sent_to(ADA).await;
    right_code(&challenge, &code)
}

#[tokio::test]
async fn asking_for_an_account_keeps_an_attempt_and_no_account() {
    all_or_nothing(&SENDING, nobody, async |bed, ()| {
        let asked = bed
            .accounts
            .register(registration(), None, &request())
            .await;
        asked.is_ok()
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_may_be_repeated_is_recorded_with_its_effect() {
    let repeatable = IdempotentRequest {
        key: IdempotencyKey([7; 32]),
        body_digest: [8; 32],
    };
    let writes = [&SENDING[..], &["idempotency_records"]].concat();
    all_or_nothing(&writes, nobody, async |bed, ()| {
        let asked = bed
            .accounts
            .register(registration(), Some(repeatable), &request())
            .await;
        asked.is_ok()
    })
    .await;
}

#[tokio::test]
async fn asking_for_a_code_costs_the_same_rows_whether_anybody_is_there() {
    for known in [true, false] {
        for reset in [true, false] {
            let arrange = async |bed: &Bed| {
                if known {
                    bed.register(ADA).await;
                    bed.clock.advance(Duration::minutes(2));
                }
            };
            all_or_nothing(&SENDING, arrange, async |bed, ()| {
                let (identifier, ctx) = (email(ADA), request());
                if reset {
                    let asked = bed.challenges.request_password_reset(&identifier, &ctx);
                    asked.await.is_ok()
                } else {
                    let asked = bed.challenges.request_sign_in(&identifier, &ctx);
                    asked.await.is_ok()
                }
            })
            .await;
        }
    }
}

#[tokio::test]
async fn sending_a_code_again_is_one_more_sending() {
    let arrange = async |bed: &Bed| {
        let challenge = bed.ask_to_register(ADA).await;
        bed.clock.advance(Duration::minutes(2));
        right_code(&challenge, "000000").challenge
    };
    let mut writes = SENDING.to_vec();
    writes.retain(|table| *table != "challenges");
    all_or_nothing(&writes, arrange, async |bed, challenge| {
        bed.challenges.resend(challenge, &request()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_proven_registration_is_an_account_with_all_that_belongs_to_it() {
    let arrange = async |bed: &Bed| {
        let challenge = bed.ask_to_register(ADA).await;
        ada_with_code(bed, challenge).await
    };
    let of_the_account = [
        "accounts",
        "account_keys",
        "identifier_index",
        "profiles",
        "wallets",
        "password_credentials",
    ];
    let of_the_code = ["challenges", "code_dispatches", "code_tries"];
    let writes = [&of_the_account[..], &of_the_code, &SIGN_IN].concat();
    all_or_nothing(&writes, arrange, async |bed, proof| {
        bed.challenges.verify(proof, &request()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_proven_sign_in_uses_the_code_up_and_begins_a_session() {
    let arrange = async |bed: &Bed| {
        bed.register(ADA).await;
        bed.clock.advance(Duration::minutes(2));
        let asked = bed
            .challenges
            .request_sign_in(&email(ADA), &request())
            .await;
        let challenge = asked.unwrap();
        ada_with_code(bed, challenge).await
    };
    let of_the_code = ["challenges", "code_dispatches", "code_tries"];
    let writes = [&of_the_code[..], &SIGN_IN, &NOTICE].concat();
    all_or_nothing(&writes, arrange, async |bed, proof| {
        bed.challenges.verify(proof, &request()).await.is_ok()
    })
    .await;
}

/// An answer whose count did not commit was not given.
#[tokio::test]
async fn a_wrong_code_is_counted_or_not_answered() {
    let arrange = async |bed: &Bed| {
        let challenge = bed.ask_to_register(ADA).await;
        let code = bed.code_sent_to(ADA).await;
        wrong_code(&challenge, &code)
    };
    let writes = ["challenges", "code_tries", "audit_entries"];
    all_or_nothing(&writes, arrange, async |bed, proof| {
        use authentication_app::challenges::{ProofError, VerifyCodeError};
        let answer = bed.challenges.verify(proof, &request()).await;
        matches!(answer, Err(VerifyCodeError::Proof(ProofError::InvalidCode)))
    })
    .await;
}

#[tokio::test]
async fn signing_in_begins_a_session_and_tells() {
    let a_while_ago = async |bed: &Bed| {
        let ada = bed.register(ADA).await;
        bed.clock.advance(Duration::minutes(2));
        ada
    };
    all_or_nothing(&SIGN_IN, a_while_ago, async |bed, ada: &Person| {
        bed.log_in(ADA, PASSWORD, &ada.request()).await.is_ok()
    })
    .await;
    // From a device that is not known, the owner is told.
    let writes = [&SIGN_IN[..], &NOTICE].concat();
    all_or_nothing(&writes, ada, async |bed, _| {
        bed.log_in(ADA, PASSWORD, &request()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_is_counted_or_not_answered() {
    use authentication_app::sessions::LogInError;
    let writes = ["sign_in_failures", "audit_entries"];
    for known in [true, false] {
        let arrange = async |bed: &Bed| {
            if known {
                bed.register(ADA).await;
            }
        };
        all_or_nothing(&writes, arrange, async |bed, ()| {
            let answer = bed.log_in(ADA, NEW_PASSWORD, &request()).await;
            matches!(answer, Err(LogInError::InvalidCredentials))
        })
        .await;
    }
}

#[tokio::test]
async fn the_failure_that_locks_tells_whoever_has_the_identifier() {
    use authentication_app::sessions::LogInError;
    let arrange = async |bed: &Bed| {
        for _ in 0..4 {
            let answer = bed.log_in(ADA, NEW_PASSWORD, &request()).await;
            assert!(matches!(answer, Err(LogInError::InvalidCredentials)));
        }
    };
    let writes = [
        "sign_in_failures",
        "audit_entries",
        "notice_gatherings",
        "outbox_messages",
    ];
    all_or_nothing(&writes, arrange, async |bed, ()| {
        let answer = bed.log_in(ADA, NEW_PASSWORD, &request()).await;
        matches!(answer, Err(LogInError::InvalidCredentials))
    })
    .await;
}

#[tokio::test]
async fn a_refresh_moves_the_session_and_nothing_else() {
    all_or_nothing(&["sessions"], ada, async |bed, ada: &Person| {
        let token = ada.signed_in.tokens.refresh_token.expose_secret();
        bed.sessions.refresh(token, &request()).await.is_ok()
    })
    .await;
}

/// The evidence is committed before the client is told.
#[tokio::test]
async fn theft_ends_the_session_on_record_or_is_not_answered() {
    use authentication_app::sessions::RefreshError;
    let arrange = async |bed: &Bed| {
        let mut token = bed.register(ADA).await.signed_in.tokens.refresh_token;
        let stolen = token.expose_secret().to_owned();
        for _ in 0..2 {
            bed.clock.advance(Duration::minutes(1));
            let next = bed
                .sessions
                .refresh(token.expose_secret(), &request())
                .await;
            token = next.unwrap().refresh_token;
        }
        stolen
    };
    let writes = [
        "sessions",
        "audit_entries",
        "outbox_events",
        "outbox_messages",
        "notice_gatherings",
        "notice_links",
    ];
    all_or_nothing(&writes, arrange, async |bed, stolen| {
        let answer = bed.sessions.refresh(stolen, &request()).await;
        matches!(answer, Err(RefreshError::Reused))
    })
    .await;
}

#[tokio::test]
async fn signing_out_ends_the_session_and_tells() {
    let writes = ["sessions", "audit_entries", "outbox_events"];
    all_or_nothing(&writes, ada, async |bed, ada: &Person| {
        let session = bed.session_of(&ada.signed_in).await.unwrap();
        let ended = bed.sessions.log_out(&session, &request()).await.is_ok();
        let lives = bed.session_of(&ada.signed_in).await.is_some();
        assert_eq!(ended, !lives, "the caches are told of what was committed");
        ended
    })
    .await;
}

#[tokio::test]
async fn ending_the_other_sessions_leaves_the_one_that_asks() {
    let arrange = async |bed: &Bed| {
        let ada = bed.register(ADA).await;
        let other = bed.log_in(ADA, PASSWORD, &request()).await.unwrap();
        (ada, other)
    };
    let writes = ["sessions", "audit_entries", "outbox_events"];
    all_or_nothing(&writes, arrange, async |bed, (ada, other)| {
        let session = bed.session_of(&ada.signed_in).await.unwrap();
        assert!(bed.session_of(other).await.is_some());
        let ended = bed.sessions.end_others(&session, &request()).await;
        let lives = bed.session_of(other).await.is_some();
        assert_eq!(ended.is_ok(), !lives);
        assert!(bed.session_of(&ada.signed_in).await.is_some());
        ended.is_ok_and(|count| count == 1)
    })
    .await;
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_and_tells_the_owner() {
    let arrange = async |bed: &Bed| {
        let ada = bed.register(ADA).await;
        bed.log_in(ADA, PASSWORD, &request()).await.unwrap();
        ada
    };
    // What was sent and not used is gone with the version of the account.
    let writes = [
        "code_dispatches",
        "accounts",
        "security_moves",
        "password_credentials",
        "sessions",
        "audit_entries",
        "outbox_events",
        "outbox_messages",
        "notice_gatherings",
        "notice_links",
    ];
    all_or_nothing(&writes, arrange, async |bed, ada: &Person| {
        let session = bed.session_of(&ada.signed_in).await.unwrap();
        let command = ChangePassword {
            current: password(PASSWORD),
            new: password(NEW_PASSWORD),
        };
        let changed = bed
            .credentials
            .change_password(&session, &command, Repeatable::default(), &ada.request())
            .await;
        changed.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_reset_uses_the_proof_up_ends_every_session_and_forgets_every_device() {
    let arrange = async |bed: &Bed| {
        bed.register(ADA).await;
        bed.clock.advance(Duration::minutes(2));
        // A failure, which the reset forgives.
        assert!(bed.log_in(ADA, NEW_PASSWORD, &request()).await.is_err());
        let asked = bed
            .challenges
            .request_password_reset(&email(ADA), &request())
            .await;
        let challenge = asked.unwrap();
        let VerifyCode { challenge, code } = ada_with_code(bed, challenge).await;
        CompleteReset {
            proof: ResetProof::Code { challenge, code },
            new_password: password(NEW_PASSWORD),
        }
    };
    let writes = [
        "challenges",
        "code_dispatches",
        "code_tries",
        "sign_in_failures",
        "accounts",
        "security_moves",
        "password_credentials",
        "devices",
        "sessions",
        "audit_entries",
        "outbox_events",
        "outbox_messages",
        "notice_gatherings",
        "notice_links",
    ];
    all_or_nothing(&writes, arrange, async |bed, command| {
        let reset = bed.credentials.complete_reset(command, &request()).await;
        reset.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_changed_profile_is_on_record() {
    let writes = ["profiles", "audit_entries", "outbox_events"];
    all_or_nothing(&writes, ada, async |bed, ada: &Person| {
        let session = bed.session_of(&ada.signed_in).await.unwrap();
        let change = ProfileChange {
            display_name: Some(Some(DisplayName::parse("Ada").unwrap())),
            ..ProfileChange::default()
        };
        let changed = bed
            .accounts
            .update_profile(&session, &change, &request())
            .await;
        changed.is_ok()
    })
    .await;
}
