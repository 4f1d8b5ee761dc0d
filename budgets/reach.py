"""The lane that the settings ask for: to one server, through Sentinels, or to a Cluster; with holds on disk or not."""

from budgets import scripts
from budgets.cluster import ClusterLane
from budgets.durable import SYNC_SECONDS, WAYS, Copies, DurableLane
from budgets.lanes import Lane
from tenants import topology

AnyLane = Lane | ClusterLane | DurableLane


def open_lane(url: str, timeout: float, waitaof: str = "") -> AnyLane:
    """To the money Redis at `url`, from the running loop; `timeout` seconds for each call. `waitaof`: where holds have
    to be on disk before they count (`budgets.durable.Copies`), '' for nowhere. Raises ValueError."""
    copies = Copies.parse(waitaof)
    lane = _lane(url, timeout)
    if copies is None:
        return lane
    ways = [_lane(url, timeout + SYNC_SECONDS) for _ in range(WAYS + 1)]
    return DurableLane(lane, ways, copies, [scripts.RESERVE, scripts.EXTEND])


def _lane(url: str, timeout: float) -> Lane | ClusterLane:
    where = topology.address(url)
    return ClusterLane(where, timeout) if where.kind == topology.Kind.CLUSTER else Lane(url, timeout)
