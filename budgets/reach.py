"""The lane that the settings ask for: to one server, through Sentinels, or to a Cluster."""

from budgets.cluster import ClusterLane
from budgets.lanes import Lane
from tenants import topology

AnyLane = Lane | ClusterLane


def open_lane(url: str, timeout: float) -> AnyLane:
    """To the money Redis at `url`, from the running loop; `timeout` seconds for each call. Raises ValueError."""
    where = topology.address(url)
    return ClusterLane(where, timeout) if where.kind == topology.Kind.CLUSTER else Lane(url, timeout)
