//! A session that ends while it is used changes no way in: whoever ended it may have had a reason.

use std::collections::BTreeSet;

use authentication_app::{Repeatable, ports::SessionSnapshot};

use crate::{bed::request, owner::Owner};

/// What opens an account, or keeps it closed.
const WAYS_IN: [&str; 6] = [
    "totp_factors",
    "recovery_codes",
    "passkeys",
    "federated_identities",
    "identifier_index",
    "accounts",
];

impl Owner {
    async fn end_sessions(&self) {
        let sql = "UPDATE sessions SET ended_at = created_at, end_reason = 'signed_out' \
             WHERE ended_at IS NULL";
        self.bed.database.execute(sql).await;
    }
}

/// Through a session that lives the act is done; through one that ended after it was read, nothing is.
async fn only_through_a_live_session<P>(
    prepare: impl AsyncFn(&Owner, &SessionSnapshot) -> P,
    act: impl AsyncFn(&Owner, &SessionSnapshot, P) -> bool,
) {
    for ends in [false, true] {
        let owner = Box::pin(Owner::start()).await;
        let prepared = prepare(&owner, &owner.session().await).await;
        let who = owner.session().await;
        let before = owner.bed.contents().await;
        if ends {
            owner.end_sessions().await;
        }
        assert_eq!(act(&owner, &who, prepared).await, !ends, "ended: {ends}");
        let after = owner.bed.contents().await;
        let changed = after.changed_since(&before);
        let ways_in = changed.intersection(&BTreeSet::from(WAYS_IN)).count();
        assert_eq!(ways_in == 0, ends, "{changed:?}");
    }
}

#[tokio::test]
async fn an_app_is_not_confirmed() {
    only_through_a_live_session(Owner::code_of_a_new_app, async |owner, who, code| {
        owner
            .mfa
            .confirm_totp(who, &code, Repeatable::default(), &request())
            .await
            .is_ok()
    })
    .await;
}

#[tokio::test]
async fn an_app_is_not_taken_away() {
    only_through_a_live_session(
        async |_, _| {},
        async |owner, who, ()| owner.mfa.remove_totp(who, &request()).await.is_ok(),
    )
    .await;
}

#[tokio::test]
async fn recovery_codes_are_not_renewed() {
    only_through_a_live_session(
        async |_, _| {},
        async |owner, who, ()| {
            owner
                .mfa
                .renew_recovery_codes(who, &request())
                .await
                .is_ok()
        },
    )
    .await;
}

#[tokio::test]
async fn a_passkey_is_not_added() {
    only_through_a_live_session(Owner::new_passkey, async |owner, who, enrol| {
        owner.passkeys.enrol(who, &enrol, &request()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_passkey_is_not_removed() {
    let prepare = async |owner: &Owner, _: &SessionSnapshot| owner.enrolled_passkey().await;
    only_through_a_live_session(prepare, async |owner, who, passkey| {
        owner
            .passkeys
            .remove(who, passkey, &request())
            .await
            .is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_provider_is_not_linked() {
    let prepare = async |owner: &Owner, _: &SessionSnapshot| owner.id_token().await;
    only_through_a_live_session(prepare, async |owner, who, command| {
        owner
            .federation
            .link(who, &command, &request())
            .await
            .is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_provider_is_not_unlinked() {
    let prepare = async |owner: &Owner, _: &SessionSnapshot| owner.linked().await;
    only_through_a_live_session(prepare, async |owner, who, ()| {
        owner.federation.unlink(who, &request()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn an_identifier_is_not_changed() {
    only_through_a_live_session(Owner::change_of_identifier, async |owner, who, command| {
        let accounts = &owner.bed.accounts;
        accounts
            .confirm_identifier_change(who, &command, &request())
            .await
            .is_ok()
    })
    .await;
}

/// A version of the account from before its password was reset links nothing and unlinks nothing.
#[tokio::test]
async fn a_link_is_made_on_the_account_as_it_is() {
    let owner = Owner::start().await;
    let (who, command) = (owner.session().await, owner.id_token().await);
    let sql = "UPDATE accounts SET version = version + 1 WHERE version > 0";
    owner.bed.database.execute(sql).await;
    assert!(
        owner
            .federation
            .link(&who, &command, &request())
            .await
            .is_err()
    );
    let linked = owner
        .bed
        .texts("SELECT account_id AS it FROM federated_identities");
    assert!(linked.await.is_empty());
}
