"""Whether this installation can work: `/healthz` says that the process lives, `/readyz` that what it needs is there."""

from dataclasses import dataclass

import redis
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from tenants import store

NEEDED_POLICY = "noeviction"


@dataclass(frozen=True)
class RedisState:
    """What one look at the server found. `problem` is empty when it is fit to keep money."""

    reachable: bool
    maxmemory_policy: str
    problem: str


def redis_state() -> RedisState:
    """Within LEDGER_TIMEOUT seconds each for connect and read."""
    try:
        policies = [_policy_of(one) for one in store.servers().masters()]
    except (redis.RedisError, OSError, store.StoreUnavailable):
        return RedisState(reachable=False, maxmemory_policy="unknown", problem="Redis does not answer.")
    problem, policy = "", next((policy for policy in policies if policy != NEEDED_POLICY), NEEDED_POLICY)
    if policy != NEEDED_POLICY:
        problem = (
            f"Redis has maxmemory-policy {policy}: it would throw counters away when its memory is full, and caps with "
            f"them. Set it to {NEEDED_POLICY}."
        )
    return RedisState(reachable=True, maxmemory_policy=policy, problem=problem)


def _policy_of(server: redis.Redis) -> str:
    return str(server.info("memory").get("maxmemory_policy", "unknown"))


def database_problem() -> str:
    """Empty when the database answers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "The database does not answer."
    return ""


def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """`{"ready": bool, "redis": {"ok", "maxmemory_policy", "problem"}, "database": {"ok", "problem"}}`, 503 if not."""
    money, database = redis_state(), database_problem()
    ready = not money.problem and not database
    body = {
        "ready": ready,
        "redis": {"ok": not money.problem, "maxmemory_policy": money.maxmemory_policy, "problem": money.problem},
        "database": {"ok": not database, "problem": database},
    }
    return JsonResponse(body, status=200 if ready else 503)
