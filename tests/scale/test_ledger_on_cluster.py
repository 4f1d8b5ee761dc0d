"""The tests of the ledger once more, on a Valkey Cluster of three masters: every script finds its keys in one slot."""

from tests.budgets.test_ledger import *  # noqa: F403

# What a frozen server does is the same on each of three; once is enough.
del test_a_frozen_store_refuses_in_time_and_serves_again_after  # noqa: F821
del test_an_extension_that_starts_after_its_caller_gave_up_changes_nothing  # noqa: F821
