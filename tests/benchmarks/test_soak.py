"""The soak, short: a handful of faults under mixed load, and afterwards everything adds up."""

from pathlib import Path

import pytest

from benchmarks import soak, soak_faults

FAULTS = (
    *(soak_faults.kill_redis, soak_faults.change_keys, soak_faults.flush_redis, soak_faults.providers_out),
    *(soak_faults.close_connections, soak_faults.kill_a_celery_worker, soak_faults.kill_a_web_process),
)


@pytest.mark.stack
@pytest.mark.xdist_group("stack")
@pytest.mark.timeout(240)
@pytest.mark.fault("load: mixed, with a fault every second", promises=("P1", "P3", "P6"))
def test_after_a_soak_counters_ledger_and_the_providers_bills_agree(tmp_path: Path) -> None:
    with soak.scene_in(tmp_path, clients=8, seed=7, lease=3) as scene:
        verdict = soak.soak(scene, seconds=8.0, every=0.7, seed=7, warm_up=1.0, web=1, in_order=FAULTS)
    assert verdict.wrong == [], verdict.told()
    assert verdict.answers["passed"] > 50, verdict.answers
    assert set(verdict.happened["faults"]) >= {fault.__name__ for fault in FAULTS[:4]}
    assert all(one.ledger >= one.provider for one in verdict.accounts)
