//! The list of facts about messages, events, keys and upkeep.

/// The tests of messages, events, keys and upkeep; see [`store_contract!`](crate::store_contract).
#[doc(hidden)]
#[macro_export]
macro_rules! store_facts_of_upkeep {
    ($factory:ident) => {
        $crate::store_facts! { $factory; shared_time:
            a_time_is_noted_and_never_an_earlier_one,
            of_fifty_nodes_that_find_the_time_back_one_has_it_followed,
            no_span_outlives_itself_whatever_clocks_do,
            every_span_goes_back_with_the_time,
            what_was_made_in_the_future_does_not_count,
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
            a_message_that_was_spared_is_not_counted,
            codes_are_leased_before_notices_and_leave_them_a_quarter,
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
            a_lease_that_ended_by_itself_is_no_failure,
            a_parked_event_lets_the_next_one_pass,
            a_parked_event_is_sent_again_when_asked,
            an_event_that_is_sent_again_stands_in_nobodys_way,
        }
        $crate::store_facts! { $factory; destinations:
            a_destination_that_rests_gets_nothing_until_then,
            a_destination_that_is_switched_off_keeps_what_waits_until_it_is_on,
            switching_on_ends_a_rest_and_takes_nobodys_lease,
            an_event_given_back_lost_no_try,
            of_fifty_who_switch_a_destination_off_one_is_told,
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
            an_identity_comes_over_with_its_owner_and_opens_one_account,
            an_import_that_is_not_committed_leaves_nothing,
            of_many_imports_of_one_file_at_once_each_person_is_imported_once,
            an_import_and_registrations_at_once_leave_one_account,
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
