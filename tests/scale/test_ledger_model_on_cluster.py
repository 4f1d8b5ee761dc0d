"""The ledger's model once more, on a Valkey Cluster of three masters: whatever the order of calls, no script touches a
key outside its tenant's slot, and every invariant holds after every step."""

from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from budgets import keyspace
from tests.budgets.test_ledger_model import TENANT, LedgerMachine
from tests.support.fleet import Cluster

RUNS = 25


class OnCluster(LedgerMachine):
    cluster: ClassVar[Cluster]

    @classmethod
    def _server(cls) -> str:
        return str(cls.cluster.master_of(keyspace.policy(TENANT)).cli("INFO", "server")["run_id"])

    def teardown(self) -> None:
        home = self.cluster.master_of(keyspace.policy(TENANT))
        slot = home.cli("CLUSTER", "KEYSLOT", keyspace.policy(TENANT))
        assert home.cli("CLUSTER", "COUNTKEYSINSLOT", slot) == home.cli("DBSIZE")
        assert [node.cli("DBSIZE") for node in self.cluster.nodes if node is not home] == [0, 0]


@pytest.mark.fault("Redis: a Cluster, its keys on several nodes", promises=("P1", "P3", "P4", "P6"))
def test_random_interleavings_keep_every_invariant_within_one_slot(store: Cluster) -> None:
    OnCluster.cluster = store
    run_state_machine_as_test(
        OnCluster,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )
