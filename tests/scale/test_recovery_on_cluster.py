"""Drain, rebuild, leases and audit once more, on a Valkey Cluster of three masters."""

from tests.budgets.test_recovery import (  # noqa: F401
    pytestmark,
    scene,
    test_a_drain_that_fails_half_way_writes_nothing_and_loses_nothing,
    test_a_settle_that_the_store_forgot_but_the_database_knows_is_not_charged_again,
    test_a_vanished_worker_is_charged_at_its_hold_and_corrected_if_it_comes_back,
    test_an_entry_that_is_read_twice_counts_once,
    test_each_ending_becomes_one_row_with_its_rollup,
    test_flushall_loses_no_spend_and_admits_only_after_every_worker_has_shown_its_holds,
    test_new_entries_come_after_the_cursor_even_when_the_clock_of_the_store_went_back,
    test_parallel_drains_of_one_tenant_count_each_entry_once,
    test_rebuilding_counts_undrained_entries_and_open_holds,
    test_the_audit_holds_while_money_moves,
    test_the_audit_sees_drift_and_mends_it_by_the_difference,
    test_the_first_refusal_crosses_one_hundred_percent,
    test_thresholds_are_crossed_once_each,
)
