"""Whether this installation can work: `/healthz` says that the process lives, `/readyz` that what it needs is there."""

from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from budgets.durable import Copies
from tenants import store

NEEDED_POLICY = "noeviction"
NO_ANSWER = "Redis does not answer."


@dataclass(frozen=True)
class RedisState:
    """What one look at the server found. `problem` is empty when it is fit to keep money."""

    reachable: bool
    maxmemory_policy: str
    problem: str


def redis_state() -> RedisState:
    """Of the server, or of the worst of a Cluster's. Within LEDGER_TIMEOUT seconds each for connect and read."""
    try:
        seen = [_look(one) for one in store.servers().masters()]
    except (redis.RedisError, OSError, store.StoreUnavailable):
        return RedisState(reachable=False, maxmemory_policy="unknown", problem=NO_ANSWER)
    return next((state for state in seen if state.problem), seen[0])


def _look(server: redis.Redis) -> RedisState:
    policy = str(server.info("memory").get("maxmemory_policy", "unknown"))
    problem = ""
    if policy != NEEDED_POLICY:
        problem = (
            f"Redis has maxmemory-policy {policy}: it would throw counters away when its memory is full, and caps with "
            f"them. Set it to {NEEDED_POLICY}."
        )
    elif (copies := Copies.parse(settings.REDIS_WAITAOF)) is not None:
        problem = _too_few_copies(server, copies)
    return RedisState(reachable=True, maxmemory_policy=policy, problem=problem)


def _too_few_copies(server: redis.Redis, copies: Copies) -> str:
    asked = f"TOKONOMICS_REDIS_WAITAOF ({settings.REDIS_WAITAOF}) cannot be kept"
    if copies.here and not server.info("persistence").get("aof_enabled"):
        return f"{asked}: Redis keeps no append-only file. Set appendonly to yes."
    # By `everysec` Valkey 9.1 answers WAITAOF before it has synced (seen with strace): the answer would mean nothing.
    if copies.here and (policy := server.config_get("appendfsync").get("appendfsync")) != "always":
        return f"{asked}: Redis has appendfsync {policy}. Set it to always."
    if (replicas := int(server.info("replication").get("connected_slaves", 0))) < copies.replicas:
        return f"{asked}: Redis has {replicas} replicas."
    return ""


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
