//! The contract of the relational store (`IdentityStore`): one module per slice, one function per fact.
//!
//! An adapter runs all of it with a few lines, once per engine:
//!
//! ```text
//! mod embedded {
//!     async fn store() -> (Arc<dyn IdentityStore>, TestDatabase) { … }
//!     testkit::store_contract!(store);
//! }
//! ```
//!
//! Races are run many at once and several rounds; every fact must hold whoever comes first.

#[macro_use]
mod support;

pub mod accounts;
pub mod attempts;
pub mod audit;
pub mod cancellation;
pub mod ceilings;
pub mod challenges;
pub mod codes;
pub mod dependents;
pub mod devices;
pub mod event_queue;
pub mod event_upkeep;
pub mod factor_resets;
pub mod federation;
pub mod gatherings;
pub mod idempotency;
pub mod identifiers;
pub mod imports;
pub mod in_a_row;
pub mod leases;
pub mod maintenance;
pub mod message_quotas;
pub mod messages;
pub mod notices;
pub mod outbox;
pub mod parked;
pub mod passkeys;
pub mod proofs;
pub mod rekeying;
pub mod reset_links;
pub mod rotation;
pub mod second_factors;
pub mod security_moves;
pub mod sessions;
pub mod shared_time;
mod time_spans;
mod time_world;
pub mod unit_of_work;

use std::sync::Arc;

use async_trait::async_trait;
use authentication_app::ports::IdentityStore;

/// What a fact is stated about.
pub type Store = Arc<dyn IdentityStore>;

/// A look at what no port shows. Its views are as of the last commit.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// Action and outcome of every audit entry, in the order of the trail.
    async fn audit_entries(&self) -> Vec<(String, String)>;
    /// The CloudEvents `type` of every queued event, in the order of the queue.
    async fn event_types(&self) -> Vec<String>;
    /// How many messages are in the queue, whoever holds them and parked ones too.
    async fn message_count(&self) -> i64;
    /// How many sessions are kept, ended ones too.
    async fn session_count(&self) -> i64;
}

/// One test for each fact of the store's contract, in a module per slice.
///
/// It takes the name of an `async fn() -> (Arc<dyn IdentityStore>, impl Inspect)` beside it, which is called
/// for each test and gives a store on an empty, migrated database. What it gives beside the store (a
/// [`TestDatabase`](crate::TestDatabase)) is dropped after it.
#[macro_export]
macro_rules! store_contract {
    ($factory:ident) => {
        $crate::store_facts! { $factory; accounts:
            an_account_is_read_as_it_was_written,
            every_state_of_an_account_survives_the_store,
            an_account_is_found_under_every_live_index_key,
            an_unknown_identifier_is_nobody,
            an_account_may_have_no_password,
            an_identifier_belongs_to_one_account,
            one_shared_index_entry_is_a_conflict,
            of_fifty_registrations_of_one_identifier_one_wins,
            a_profile_is_replaced_only_in_the_version_that_was_read,
            of_fifty_changes_of_one_profile_one_wins,
            a_password_is_set_only_in_the_version_that_was_read,
            of_fifty_new_passwords_one_wins,
            an_account_advances_only_from_the_version_that_was_read,
            of_fifty_advances_of_one_account_one_wins,
            a_hash_is_upgraded_only_if_it_is_still_the_one_that_was_read,
            a_lagging_clock_moves_no_time_stamp_back,
        }
        $crate::store_facts! { $factory; devices:
            a_device_is_known_to_its_account_alone,
            all_devices_of_an_account_are_forgotten_and_no_others,
            the_device_not_used_for_longest_is_forgotten,
            devices_are_listed_by_their_last_use_with_the_sessions_own,
            a_device_is_forgotten_by_its_own_account_alone,
            devices_of_others_do_not_count,
            fifty_devices_at_once_leave_no_more_than_allowed,
        }
        $crate::store_facts! { $factory; identifiers:
            an_account_has_its_new_identifier_and_no_other,
            an_identifier_is_changed_only_in_the_version_that_was_read,
            the_identifier_before_is_nobodys_for_a_while,
            a_purge_removes_reservations_that_are_over,
            whoever_changed_may_have_the_identifier_before_again,
            a_change_that_is_taken_back_sets_the_new_identifier_free,
            a_taken_identifier_is_a_conflict_that_undoes_the_unit,
            of_changes_and_registrations_of_one_identifier_at_once_one_wins,
            of_many_changes_of_one_account_at_once_one_wins,
            a_reserved_row_is_no_index_row_of_the_account,
            a_locked_password_is_none_until_it_is_set_anew,
            a_sign_in_judged_before_the_lock_begins_no_session,
            when_a_number_was_proven_is_told,
        }
        $crate::store_facts! { $factory; factor_resets:
            a_reset_is_asked_for_once,
            a_closed_account_has_no_reset,
            a_reset_is_to_be_announced_and_then_carried_out_when_it_is_due,
            the_wait_begins_when_the_notice_has_left,
            whoever_calls_it_off_keeps_it_from_being_carried_out,
            of_fifty_that_carry_it_out_one_does,
            factors_are_removed_only_in_the_version_that_was_read,
        }
        $crate::store_facts! { $factory; notices:
            a_link_is_found_as_it_was_kept,
            a_purge_removes_links_a_day_after_they_expired,
            a_link_of_one_kind_does_nothing_of_another,
            a_link_counts_until_it_expires,
            of_fifty_claims_of_one_link_one_wins,
            a_claim_that_is_undone_leaves_the_link_as_it_was,
            links_are_made_worthless_from_a_time_on,
        }
        $crate::store_facts! { $factory; attempts:
            failures_are_counted_as_the_domain_says,
            a_locked_scope_counts_nothing,
            failures_of_known_devices_are_counted_apart,
            whoever_is_locked_out_has_no_account_read,
            fifty_failures_at_once_lock_at_the_fifth,
            a_success_forgets_the_failures_of_its_scope,
            a_locked_scope_is_not_cleared,
            a_success_and_a_lock_at_once_leave_no_lock_forgotten,
            forgetting_a_subject_opens_every_scope_of_it,
            guesses_are_counted_up_to_the_limit_of_the_window,
            guesses_are_counted_apart_by_recipient_purpose_and_device,
            exactly_the_allowed_guesses_of_fifty_at_once_count,
            what_is_not_committed_is_not_counted,
        }
        $crate::store_facts! { $factory; challenges:
            a_challenge_is_found_as_it_was_kept,
            every_purpose_and_channel_survives_the_store,
            an_unknown_challenge_is_none,
            the_account_is_whoever_has_the_identifier_now,
            the_device_is_shown_if_it_is_the_accounts,
            guesses_in_the_window_are_shown_beside_those_on_the_challenge,
            a_challenge_is_proven_once,
            of_fifty_proofs_of_one_challenge_one_wins,
            a_challenge_out_of_tries_cannot_be_proven,
            an_expired_challenge_is_dead_for_every_write,
            guesses_on_a_challenge_end_at_the_limit,
            exactly_the_allowed_tries_of_fifty_at_once_count,
            a_proven_challenge_counts_no_further_guess,
            a_live_challenge_can_be_resent,
        }
        $crate::store_facts! { $factory; second_factors:
            a_waiting_sign_in_is_found_as_it_was_kept,
            guesses_are_shown_of_the_device_that_the_sign_in_comes_from,
            of_fifty_completions_of_one_sign_in_one_wins,
            a_waiting_sign_in_takes_so_many_wrong_answers_and_no_more,
            a_waiting_sign_in_ends_in_time_and_with_all_others,
            an_authenticator_app_counts_once_it_is_confirmed,
            a_step_counts_once_and_none_before_it_does,
            failures_in_a_row_close_an_authenticator_app,
            an_authenticator_app_is_taken_away_once,
            a_recovery_code_counts_once_for_its_account,
            recovery_codes_used_at_once_are_counted_one_by_one,
            a_fresh_set_of_recovery_codes_voids_the_old_one,
            a_change_of_factors_is_a_change_of_the_account,
            a_purge_removes_secrets_that_were_never_confirmed,
            a_purge_removes_sign_ins_that_nobody_completed,
        }
        $crate::store_facts! { $factory; in_a_row:
            of_fifty_failures_at_once_a_row_has_exactly_a_hundred,
            a_full_row_of_failures_counts_nothing_until_it_ends,
            a_row_outlives_its_windows_and_ends_with_a_success,
            a_sign_in_ends_the_rows_of_every_scope_and_no_lock,
            whoever_is_closed_out_has_no_account_read,
            of_fifty_guesses_at_once_a_row_has_exactly_a_hundred,
            rows_of_guesses_are_apart_by_recipient_purpose_and_device,
            a_right_code_ends_its_row_and_a_long_one_is_not_counted_in_it,
            a_guess_has_to_have_room_in_its_window,
            after_a_full_row_the_next_code_is_long,
            a_challenge_tells_of_rows_whatever_their_windows,
            forgetting_an_account_opens_everything_of_its_identifier,
            rows_of_nobody_leave_after_thirty_days_and_those_of_somebody_stay,
        }
        $crate::store_facts! { $factory; security_moves:
            nothing_that_was_sent_outlives_a_move,
            nothing_that_was_begun_outlives_a_move,
            a_move_that_does_not_happen_does_away_with_nothing,
            a_new_identifier_comes_without_what_was_sent_to_it,
            of_a_code_and_a_move_at_once_one_counts,
            a_purge_removes_moves_that_nothing_is_older_than,
        }
        $crate::store_facts! { $factory; codes:
            the_first_request_sends,
            within_the_cool_down_nothing_new_is_sent,
            after_the_cool_down_the_newest_code_counts,
            the_cool_down_holds_after_the_code_was_used,
            fifty_requests_at_once_send_once,
            a_sending_is_shown_on_every_challenge_of_its_recipient_and_purpose,
            a_code_is_used_once,
            only_the_newest_code_of_the_right_recipient_and_purpose_is_used,
            of_fifty_uses_of_one_code_one_wins,
            an_undone_use_leaves_the_code_as_it_was,
        }
        $crate::store_facts! { $factory; reset_links:
            a_reset_link_is_found_until_it_is_used_or_replaced,
            a_suppressed_link_leads_nowhere,
        }
        $crate::store_facts! { $factory; message_quotas:
            messages_are_limited_by_the_hour,
            messages_are_limited_by_the_day,
            quotas_are_apart_by_recipient,
            exactly_the_allowed_messages_of_fifty_at_once_are_granted,
        }
        $crate::store_facts! { $factory; sessions:
            a_session_is_read_as_it_was_begun,
            a_session_lives_until_its_deadlines,
            an_account_that_is_not_active_has_no_live_session,
            one_session_more_than_allowed_ends_the_oldest,
            sessions_that_ended_do_not_count_against_the_limit,
            fifty_sign_ins_at_once_leave_no_more_than_allowed,
            a_proof_of_an_older_version_begins_no_session,
            no_session_outlives_the_password_it_was_begun_with,
            a_session_is_ended_once,
            a_session_is_ended_by_its_own_account_alone,
            of_fifty_that_end_a_session_one_ends_it,
            all_sessions_of_an_account_end_together,
            all_sessions_but_one_end_together,
            sessions_are_listed_newest_first_page_by_page,
            the_list_has_only_live_sessions_of_the_account,
        }
        $crate::store_facts! { $factory; shared_time:
            a_time_is_noted_and_never_an_earlier_one,
            of_fifty_nodes_that_find_the_time_back_one_has_it_followed,
            no_span_outlives_itself_whatever_clocks_do,
            what_was_made_in_the_future_does_not_count,
        }
        $crate::store_facts! { $factory; passkeys:
            a_passkey_is_listed_as_it_was_kept,
            a_credential_is_one_accounts,
            of_fifty_enrolments_of_one_credential_one_wins,
            a_use_is_noted_on_the_counter_that_was_read,
            of_fifty_uses_with_one_counter_one_is_noted,
            a_passkey_is_renamed_and_removed_by_its_owner_alone,
            a_ceremony_is_found_as_it_was_kept,
            a_ceremony_is_shown_with_the_passkey_that_answers_and_its_owner,
            a_ceremony_is_over_when_it_was_used_or_expired,
            a_ceremony_is_its_holders_and_for_its_purpose,
            a_ceremony_is_over_when_its_holder_begins_another,
            of_fifty_that_end_a_ceremony_one_does,
            what_ended_a_ceremony_and_is_not_committed_leaves_it_live,
            a_purge_removes_ceremonies_that_expired_and_no_passkey,
        }
        $crate::store_facts! { $factory; proofs:
            a_proof_renews_its_factors_as_the_domain_says,
            a_session_is_proven_again_by_its_own_account_while_it_lives,
            what_a_proof_ended_is_invalid_and_no_theft,
            of_proofs_and_refreshes_at_once_one_generation_is_left,
            forgiving_agrees_with_the_domain_at_every_step,
            nobody_else_is_forgiven,
            of_fifty_that_are_forgiven_at_once_one_is_counted,
        }
        $crate::store_facts! { $factory; rotation:
            a_rotation_answers_with_everything_the_tokens_need,
            rotation_agrees_with_the_domain_at_every_edge,
            ending_for_reuse_agrees_with_the_domain_at_every_edge,
            a_repetition_does_not_prolong_the_grace_time,
            without_grace_time_of_fifty_at_once_one_rotates,
            fifty_at_once_get_the_same_successor,
            a_dead_session_does_not_rotate,
            the_session_of_a_closed_account_does_not_rotate,
            a_rotation_prolongs_the_session_up_to_its_absolute_deadline,
            reuse_ends_a_session_once,
            a_session_that_ends_amid_rotations_stays_ended,
        }
        $crate::store_facts! { $factory; rekeying:
            data_keys_are_found_by_their_master_key_in_the_order_of_accounts,
            a_data_key_is_replaced_only_if_it_is_still_what_was_read,
            workers_at_once_wrap_every_data_key_once,
            wrapping_anew_and_a_new_password_lose_nothing_of_each_other,
            accounts_registered_meanwhile_are_left_alone,
            one_service_key_is_kept_whoever_makes_it,
            a_service_key_is_replaced_only_if_it_is_still_what_was_read,
            accounts_without_an_index_row_are_found_until_they_have_one,
            while_both_keys_live_an_identifier_stays_one_accounts,
            index_rows_of_retired_keys_are_removed_and_no_others,
            whose_identifier_is_another_accounts_by_now_is_told,
            a_batch_ends_after_so_many_accounts_whatever_they_need,
            what_tasks_did_is_added_up,
        }
        $crate::store_facts! { $factory; dependents:
            data_keys_and_sessions_are_counted_by_their_keys,
            hashes_are_counted_by_their_pepper,
            what_is_on_its_way_is_counted_by_its_time,
            a_subject_is_in_use_while_something_counts_for_it,
        }
        $crate::store_facts! { $factory; messages:
            a_message_is_leased_as_it_was_queued,
            the_oldest_messages_are_leased_first,
            a_message_is_not_due_before_its_time,
            a_leased_message_is_nobody_elses_until_the_lease_ends,
            workers_at_once_never_hold_the_same_message,
            a_message_given_back_is_due_again_at_its_time,
            a_message_that_was_not_tried_counts_no_attempt,
            a_message_that_was_finished_is_gone,
        }
        $crate::store_facts! { $factory; leases:
            whoever_lost_the_lease_changes_nothing,
            a_message_given_back_is_nobodys,
            the_next_holder_hears_that_a_message_may_be_out,
            a_message_that_was_not_tried_may_be_handed_over_again,
            a_message_is_counted_once_it_was_handed_over_or_tried,
            of_fifty_hand_overs_at_once_one_happens,
            a_hand_over_and_a_new_lease_at_once_never_make_two_hand_overs,
            of_a_late_end_and_a_new_lease_at_once_one_counts,
        }
        $crate::store_facts! { $factory; gatherings:
            acts_are_told_and_gathered_as_the_rule_says,
            a_summary_tells_how_many_and_since_when,
            kinds_and_recipients_are_gathered_apart,
            of_fifty_acts_at_once_one_is_told_and_one_opens_the_summary,
            acts_while_a_summary_is_closed_are_in_it_or_in_the_next,
            an_act_that_is_undone_is_told_of_by_nobody,
            whoever_lost_the_lease_closes_nothing,
            a_summary_that_is_parked_or_gone_takes_nothing_in,
            an_account_that_is_told_anew_hears_of_what_waits_and_of_the_next_act,
            a_summary_that_is_being_sent_when_an_account_is_told_anew_tells_everything,
            a_purge_forgets_what_was_told_a_day_ago_and_nothing_that_waits,
        }
        $crate::store_facts! { $factory; ceilings:
            a_ceiling_grants_so_many_and_tells_the_first_refusal,
            a_ceiling_opens_again_when_its_window_ends,
            a_window_that_begins_in_the_future_is_none,
            ceilings_are_apart_by_scope_and_follow_their_number,
            exactly_so_many_of_fifty_at_once_fit_under_a_ceiling,
        }
        $crate::store_facts! { $factory; event_queue:
            an_event_is_leased_as_it_was_written,
            a_destination_gets_what_is_written_after_it_was_added,
            a_destination_holds_up_no_other,
            events_of_an_account_are_leased_one_after_the_other,
            a_leased_event_is_nobody_elses_until_the_lease_ends,
            an_event_is_not_due_before_its_time,
            whoever_lost_the_lease_changes_nothing,
            events_finished_together_are_finished_each_for_itself,
            a_postponed_event_holds_up_its_account_until_its_time,
            a_parked_event_lets_the_next_one_pass,
            a_parked_event_is_sent_again_when_asked,
            an_event_that_is_sent_again_stands_in_nobodys_way,
        }
        $crate::store_facts! { $factory; with inspect; event_upkeep:
            of_fifty_relays_one_holds_an_event,
            relays_at_once_never_hold_events_of_one_account,
            what_is_written_at_once_is_delivered_in_the_order_of_commits,
            the_backlog_tells_who_waits_and_for_how_long,
            a_forgotten_destination_gets_nothing_more,
            an_event_is_kept_until_every_destination_has_it,
        }
        $crate::store_facts! { $factory; idempotency:
            a_recorded_answer_is_found_until_it_expires,
            the_first_answer_of_a_key_stays,
            an_expired_answer_is_replaced,
            of_fifty_answers_to_one_key_one_is_recorded,
            a_rival_that_gives_up_leaves_the_key_free,
        }
        $crate::store_facts! { $factory; imports:
            people_are_imported_with_all_that_belongs_to_them,
            nobody_to_import_is_no_error,
            whoever_was_imported_is_left_alone,
            a_taken_identifier_keeps_one_person_out_and_no_other,
            one_shared_index_entry_keeps_a_person_out,
            of_two_with_one_identifier_the_first_is_imported,
            of_two_with_one_legacy_id_the_first_is_imported,
            an_import_that_is_not_committed_leaves_nothing,
            of_many_imports_of_one_file_at_once_each_person_is_imported_once,
            an_import_and_registrations_at_once_leave_one_account,
        }
        $crate::store_facts! { $factory; federation:
            an_identity_is_found_as_it_was_linked,
            an_unknown_identity_is_nobody_and_its_address_is_told,
            an_address_that_was_given_up_is_told_while_it_is_reserved,
            the_device_is_told_if_it_is_the_owners,
            an_identity_opens_one_account_and_an_account_has_one_identity,
            of_fifty_links_of_one_identity_one_wins,
            an_identity_is_unlinked_once_and_can_be_linked_again,
            a_nonce_counts_once_and_in_time,
            a_nonce_of_a_device_counts_from_that_device,
            a_nonce_of_a_session_counts_there_alone_and_one_of_none_in_none,
            whether_an_identity_opens_an_account_is_told,
            of_fifty_uses_of_one_nonce_one_wins,
            a_flow_is_claimed_once_and_gives_what_was_kept,
            a_flow_of_another_client_is_not_claimed_and_stays,
            of_fifty_claims_of_one_flow_one_wins,
            a_flow_that_was_given_back_is_claimed_again,
            void_codes_count_no_more_whatever_they_were_for,
            an_account_advances_only_in_the_version_that_was_read,
            a_purge_removes_nonces_and_flows_that_expired,
        }
        $crate::store_facts! { $factory; with inspect; cancellation:
            units_held_by_cancelled_tasks_leave_nothing,
            a_unit_cancelled_anywhere_is_done_whole_or_not_at_all,
            calls_cancelled_anywhere_leave_the_store_usable,
            a_cancelled_begin_swallows_no_later_write,
        }
        $crate::store_facts! { $factory; with inspect; audit:
            entries_of_a_unit_are_appended_in_order,
            every_act_and_outcome_can_be_recorded,
            no_entries_are_no_error,
        }
        $crate::store_facts! { $factory; with inspect; outbox:
            events_of_a_unit_are_queued_in_order,
            every_event_can_be_queued,
            no_events_are_no_error,
        }
        $crate::store_facts! { $factory; with inspect; parked:
            a_parked_message_waits_for_a_person,
            parked_messages_are_listed_oldest_first_page_by_page,
            a_parked_message_sent_again_is_as_if_never_tried,
            all_parked_messages_are_sent_again_and_no_others,
            only_a_parked_message_can_be_deleted,
            a_notice_that_a_reset_waits_for_is_not_deleted,
            the_queue_tells_how_long_it_is,
            a_purge_deletes_a_parked_code_and_no_notice,
        }
        $crate::store_facts! { $factory; with inspect; maintenance:
            the_store_answers_a_ping,
            a_purge_keeps_what_is_alive,
            a_purge_removes_what_expired,
            a_purge_counts_what_it_removes,
            an_ended_session_is_kept_for_thirty_days,
            a_purge_touches_no_account_and_no_record,
        }
        $crate::store_facts! { $factory; with inspect; unit_of_work:
            a_commit_shows_everything_at_once,
            a_dropped_unit_leaves_nothing,
            a_conflict_undoes_its_unit_and_no_other,
            units_that_are_begun_and_dropped_cost_nothing,
            fifty_units_at_once_all_commit,
        }
    };
}

/// The tests of one slice; see [`store_contract!`](crate::store_contract).
#[doc(hidden)]
#[macro_export]
macro_rules! store_facts {
    ($factory:ident; $slice:ident: $($fact:ident),+ $(,)?) => {
        mod $slice {
            $(#[test]
            fn $fact() {
                $crate::runtime::run(async {
                    let (store, _database) = super::$factory().await;
                    $crate::contract::store::$slice::$fact(store).await;
                });
            })+
        }
    };
    ($factory:ident; with inspect; $slice:ident: $($fact:ident),+ $(,)?) => {
        mod $slice {
            $(#[test]
            fn $fact() {
                $crate::runtime::run(async {
                    let (store, database) = super::$factory().await;
                    $crate::contract::store::$slice::$fact(store, &database).await;
                });
            })+
        }
    };
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// A fact that nobody listed would be a test that never runs.
    #[test]
    fn every_fact_is_in_the_list() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/contract/store");
        let list = include_str!("mod.rs");
        let mut facts = 0;
        for file in fs::read_dir(folder).unwrap() {
            let source = fs::read_to_string(file.unwrap().path()).unwrap();
            for line in source.lines() {
                let Some(rest) = line.strip_prefix("pub async fn ") else {
                    continue;
                };
                let (fact, _) = rest.split_once('(').unwrap();
                assert!(
                    list.contains(&format!(" {fact},\n")),
                    "{fact} is not in the list"
                );
                facts += 1;
            }
        }
        assert!(facts > 100, "only {facts} facts were found");
    }
}
