//! Every two acts that change how an account is opened, at the same moment, on two nodes.
//!
//! The oracle is the service itself, one act after the other: what two at once answer, and leave behind, is what
//! they do in one order or the other, or what one of them does alone while the other is refused.

mod meeting;
mod requests;
mod state;

use std::fmt;

use testkit::Engine;

use crate::{
    app::TestApp,
    google::Bed,
    person::{Person, Tokens},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    ResetByCode,
    ResetByLink,
    PasswordChange,
    IdentifierChange,
    IdentifierUndo,
    NotMe,
    TotpConfirm,
    TotpRemove,
    RecoveryCodes,
    PasskeyAdd,
    PasskeyRemove,
    GoogleLink,
    GoogleUnlink,
    LogOutAll,
    ProveByPassword,
    ProveByRecoveryCode,
}

use Act::{
    GoogleLink, GoogleUnlink, IdentifierChange, IdentifierUndo, LogOutAll, NotMe, PasskeyAdd,
    PasskeyRemove, PasswordChange, ProveByPassword, ProveByRecoveryCode, RecoveryCodes,
    ResetByCode, ResetByLink, TotpConfirm, TotpRemove,
};

const ALL: [Act; 16] = [
    ResetByCode,
    ResetByLink,
    PasswordChange,
    IdentifierChange,
    IdentifierUndo,
    NotMe,
    TotpConfirm,
    TotpRemove,
    RecoveryCodes,
    PasskeyAdd,
    PasskeyRemove,
    GoogleLink,
    GoogleUnlink,
    LogOutAll,
    ProveByPassword,
    ProveByRecoveryCode,
];

/// How the two meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meeting {
    AtOnce,
    FirstThenSecond,
    SecondThenFirst,
    /// The later one with the token of the earlier one's answer, if it has one: at once, it may have been let in just
    /// before its own token was ended.
    FirstThenRenewedSecond,
    SecondThenRenewedFirst,
    FirstAlone,
    SecondAlone,
}

/// What came of it. `None`: it was not tried, or was refused.
#[derive(PartialEq, Eq)]
struct Outcome {
    done: [bool; 2],
    /// Whether the tokens of its answer count afterwards, if it has any.
    tokens: [Option<bool>; 2],
    left: Vec<String>,
    answers: Vec<String>,
}

impl Outcome {
    fn is_like(&self, other: &Self) -> bool {
        (self.done, self.tokens, &self.left) == (other.done, other.tokens, &other.left)
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {:?} {:?} {:?}",
            self.done, self.tokens, self.left, self.answers
        )
    }
}

struct Two {
    bed: Bed,
    other: TestApp,
    engine: Engine,
}

/// Somebody in the state in which both acts are possible.
struct Scene {
    person: Person,
    /// The address that they registered with.
    first: String,
    recovery_code: String,
    before: Vec<String>,
}

impl Two {
    async fn start(engine: Engine) -> Self {
        let bed = Bed::start(engine).await;
        let other = bed.another_node().await;
        Self { bed, other, engine }
    }

    async fn set(&self, acts: [Act; 2]) -> Scene {
        let app = &self.bed.app;
        let mut person = app.register_person().await;
        let first = person.identifier.clone();
        let confirmed = app.send(app.next_totp(&person.tokens.access).await).await;
        confirmed.assert_status(200);
        person.tokens = Tokens::of(&confirmed);
        let recovery_code = confirmed.text_of("/recovery_codes/0");
        let access = person.tokens.access.clone();
        let has = |act| acts.contains(&act);
        if has(GoogleUnlink) {
            let linked = self.bed.link(&access, &person.id, &first).await;
            linked.assert_status(200);
        }
        if has(PasskeyRemove) {
            app.enrol_passkey(&person).await;
        }
        if has(IdentifierUndo) {
            let new = app.fresh_email();
            app.change_identifier(&access, &new)
                .await
                .assert_status(200);
            person.identifier = new;
        }
        let before = self.state(&person.id).await;
        Scene {
            person,
            first,
            recovery_code,
            before,
        }
    }

    /// A unit that changes an account holds it from its start, so no two wait for each other.
    async fn assert_no_deadlock(&self) {
        assert_eq!(self.bed.app.database().deadlocks().await, 0);
    }

    async fn walk(&self, acts: [Act; 2], rounds: usize) {
        let mut serial = vec![
            Box::pin(self.run(acts, Meeting::FirstThenSecond)).await,
            Box::pin(self.run(acts, Meeting::SecondThenFirst)).await,
        ];
        if acts.iter().any(|act| act.renews()) {
            serial.push(Box::pin(self.run(acts, Meeting::FirstThenRenewedSecond)).await);
            serial.push(Box::pin(self.run(acts, Meeting::SecondThenRenewedFirst)).await);
        }
        // Of two enrolments in one session the second takes the place of the first.
        let done = |outcome: &Outcome| outcome.done[0] || outcome.done[1];
        assert!(serial.iter().any(done), "{acts:?}: {serial:?}");
        for _ in 0..rounds {
            let met = Box::pin(self.run(acts, Meeting::AtOnce)).await;
            if serial.iter().any(|it| it.is_like(&met)) {
                continue;
            }
            // Both were let in, and the later one found nothing left to end.
            if acts == [LogOutAll, LogOutAll] && serial.iter().any(|it| it.left == met.left) {
                continue;
            }
            let alone = match met.done {
                [true, false] => Box::pin(self.run(acts, Meeting::FirstAlone)).await,
                [false, true] => Box::pin(self.run(acts, Meeting::SecondAlone)).await,
                _ => panic!("{acts:?} at once: {met:?}; one after the other: {serial:?}"),
            };
            assert!(
                alone.is_like(&met),
                "{acts:?} at once: {met:?}; one after the other: {serial:?}; one alone: {alone:?}"
            );
        }
    }
}

impl Act {
    /// Its answer has the session's next tokens.
    fn renews(self) -> bool {
        matches!(
            self,
            PasswordChange | TotpConfirm | ProveByPassword | ProveByRecoveryCode
        )
    }
}

/// Pairs of an act with itself and with those after it.
async fn walk_pairs_of(engine: Engine, first: Act) {
    let two = Two::start(engine).await;
    for second in ALL.into_iter().skip_while(|act| *act != first) {
        two.walk([first, second], 1).await;
    }
    two.assert_no_deadlock().await;
}

testkit::on_every_engine! {
    async fn pairs_of_reset_by_code(engine: Engine) {
        walk_pairs_of(engine, ResetByCode).await;
    }

    async fn pairs_of_reset_by_link(engine: Engine) {
        walk_pairs_of(engine, ResetByLink).await;
    }

    async fn pairs_of_password_change(engine: Engine) {
        walk_pairs_of(engine, PasswordChange).await;
    }

    async fn pairs_of_identifier_change(engine: Engine) {
        walk_pairs_of(engine, IdentifierChange).await;
    }

    async fn pairs_of_identifier_undo(engine: Engine) {
        walk_pairs_of(engine, IdentifierUndo).await;
    }

    async fn pairs_of_not_me(engine: Engine) {
        walk_pairs_of(engine, NotMe).await;
    }

    async fn pairs_of_totp_confirm(engine: Engine) {
        walk_pairs_of(engine, TotpConfirm).await;
    }

    async fn pairs_of_totp_remove(engine: Engine) {
        walk_pairs_of(engine, TotpRemove).await;
    }

    async fn pairs_of_recovery_codes(engine: Engine) {
        walk_pairs_of(engine, RecoveryCodes).await;
    }

    async fn pairs_of_passkey_add(engine: Engine) {
        walk_pairs_of(engine, PasskeyAdd).await;
    }

    async fn pairs_of_passkey_remove(engine: Engine) {
        walk_pairs_of(engine, PasskeyRemove).await;
    }

    async fn pairs_of_google_link(engine: Engine) {
        walk_pairs_of(engine, GoogleLink).await;
    }

    async fn pairs_of_google_unlink(engine: Engine) {
        walk_pairs_of(engine, GoogleUnlink).await;
    }

    async fn pairs_of_log_out_all(engine: Engine) {
        walk_pairs_of(engine, LogOutAll).await;
    }

    async fn pairs_of_prove_by_password(engine: Engine) {
        walk_pairs_of(engine, ProveByPassword).await;
    }

    async fn pairs_of_prove_by_recovery_code(engine: Engine) {
        walk_pairs_of(engine, ProveByRecoveryCode).await;
    }

    /// The owner's new password with the address of whoever changed it would be both of them let in.
    async fn a_reset_and_a_change_of_the_identifier_are_not_both_done(engine: Engine) {
        let two = Two::start(engine).await;
        let rounds = match engine {
            Engine::Embedded => 4,
            Engine::Production => 20,
        };
        for reset in [ResetByCode, ResetByLink] {
            two.walk([reset, IdentifierChange], rounds).await;
        }
        two.assert_no_deadlock().await;
    }
}
