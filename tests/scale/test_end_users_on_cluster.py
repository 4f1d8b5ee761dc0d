"""End users' counters once more, on a Valkey Cluster of three masters: begun, refused, rebuilt, audited in one slot."""

from tests.budgets.test_end_user_caps import (  # noqa: F401
    desk,
    pytestmark,
    test_a_drained_end_user_is_refused_and_the_others_are_not,
    test_a_first_cap_counts_what_was_spent_before_it,
    test_a_rebuild_of_many_end_users_goes_in_batches,
    test_after_flushall_the_drained_stay_drained,
    test_what_is_in_flight_as_the_counting_begins_is_known_to_be_uncounted,
)
