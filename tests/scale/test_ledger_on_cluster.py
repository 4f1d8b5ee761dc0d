"""The tests of the ledger once more, on a Valkey Cluster of three masters: every script finds its keys in one slot."""

from tests.budgets.test_ledger import *  # noqa: F403
