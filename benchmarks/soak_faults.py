"""What `benchmarks.soak` does to the product while it runs: one fault after the other, drawn from one seed."""

import math
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.soak_load import Clients, Providers
from budgets import keyspace
from tests.support.office import Company, Office
from tests.support.processes import send
from tests.support.stack import ROOT, ProductStack
from tests.support.valkey import ValkeyServer
from tests.support.web import WebProcess
from tokonomics.console.lifeline import tie_to_me


@dataclass
class Scene:
    """Everything that a fault can lay hands on. `caps`: what each company may spend, which changes move."""

    stack: ProductStack
    valkey: ValkeyServer
    office: Office
    companies: list[Company]
    clients: Clients
    providers: Providers
    lease: float
    web: list[WebProcess] = field(default_factory=list)
    worker: subprocess.Popen[bytes] | None = None
    killed_ms: int = 0
    """When a web process was killed of which something may still be missing in the database, epoch ms; 0: none."""
    ended_ms: int = 0
    """When its last hold was seen to have ended; 0: not yet."""
    suspended: list[Company] = field(default_factory=list)

    def start_extra(self, web: int) -> None:
        """So many more web processes and one more Celery worker: the ones to be killed."""
        for _ in range(web):
            self._start_web()
        self._start_worker()

    def _start_web(self) -> None:
        extra = WebProcess(self.stack)
        extra.__enter__()
        self.web.append(extra)
        self.clients.ports.append(_port_of(extra))

    def _start_worker(self) -> None:
        with (self.stack.folder / "extra-worker.log").open("ab") as log:
            self.worker = subprocess.Popen(
                [sys.executable, "-m", "tokonomics.console.work", "worker"],
                cwd=ROOT,
                env=self.stack.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=tie_to_me(signal.SIGKILL),
            )

    def stop_extra(self) -> None:
        for extra in self.web:
            self.clients.ports.remove(_port_of(extra))
            extra.__exit__(None, None, None)
        if self.worker is not None:
            self.worker.terminate()
            self.worker.wait(30)

    def dead_are_written_down(self) -> bool:
        """Whether all that a killed web process had in flight or had settled is in the database: the store may forget
        it. What is lost where it forgets earlier is written in docs/reliability.md."""
        now = int(time.time() * 1000)
        if not self.killed_ms:
            return True
        if now < self.killed_ms + 1000 * self.lease:
            return False
        if not self.ended_ms and not any(self._overdue(company, now) for company in self.companies):
            self.ended_ms = now
        if self.ended_ms and all(self._oldest_entry_ms(company) > self.ended_ms for company in self.companies):
            self.killed_ms = 0
        return not self.killed_ms

    def _overdue(self, company: Company, now: int) -> bool:
        return bool(self.valkey.cli("ZCOUNT", keyspace.holds(company.id), "-inf", now))

    def _oldest_entry_ms(self, company: Company) -> float:
        first = self.valkey.cli("XRANGE", keyspace.journal(company.id), "-", "+", "COUNT", 1)
        return int(first[0][0].split("-")[0]) if first else math.inf


def _port_of(extra: WebProcess) -> int:
    return int(extra.base_url.rpartition(":")[2])


# --- Faults ----------------------------------------------------------------------------------------------------------


def kill_a_web_process(scene: Scene, chance: random.Random) -> None:
    doomed = scene.web.pop(chance.randrange(len(scene.web)))
    scene.clients.ports.remove(_port_of(doomed))
    doomed.kill()
    scene.killed_ms, scene.ended_ms = int(time.time() * 1000), 0
    scene._start_web()


def pause_a_web_process(scene: Scene, chance: random.Random) -> None:
    """Past its leases: what it had in flight is charged meanwhile, and corrected when it wakes."""
    sleeper = chance.choice(scene.web)
    send(sleeper.pid, signal.SIGSTOP)
    time.sleep(scene.lease + 1.5)
    send(sleeper.pid, signal.SIGCONT)


def freeze_redis(scene: Scene, chance: random.Random) -> None:
    scene.valkey.freeze()
    time.sleep(chance.choice((0.3, 1.0, 2.5)))
    scene.valkey.thaw()


def kill_redis(scene: Scene, chance: random.Random) -> None:
    scene.valkey.kill()
    time.sleep(chance.choice((0.0, 1.0)))
    scene.valkey.start()


def flush_redis(scene: Scene, chance: random.Random) -> None:
    scene.valkey.flushall()


def close_connections(scene: Scene, chance: random.Random) -> None:
    scene.valkey.cli("SCRIPT", "FLUSH")
    scene.valkey.cli("CLIENT", "KILL", "TYPE", "normal")


def kill_a_celery_worker(scene: Scene, chance: random.Random) -> None:
    assert scene.worker is not None
    scene.worker.kill()
    scene.worker.wait(20)
    scene._start_worker()


def stop_the_drain(scene: Scene, chance: random.Random) -> None:
    pids = [*scene.stack.pids("worker"), *([scene.worker.pid] if scene.worker else [])]
    for pid in pids:
        send(pid, signal.SIGSTOP)
    time.sleep(2.0)
    for pid in pids:
        send(pid, signal.SIGCONT)


def providers_out(scene: Scene, chance: random.Random) -> None:
    scene.providers.out(1.5)


def cut_and_raise_a_cap(scene: Scene, chance: random.Random) -> None:
    company = chance.choice(scene.companies)
    company.do("set_cap", cap="0.00")
    time.sleep(0.5)
    company.do("set_cap", cap="500.00")


def suspend_a_company(scene: Scene, chance: random.Random) -> None:
    company = chance.choice(scene.companies)
    company.do("suspend")
    scene.suspended.append(company)
    time.sleep(0.5)
    restore(scene)


def change_keys(scene: Scene, chance: random.Random) -> None:
    """Another key comes, the one before it goes."""
    company = chance.choice(scene.companies)
    keys = scene.clients.keys[company.id]
    made = company.do("create_key")
    scene.clients.keys[company.id] = [company.key, made["secret"]]
    if len(keys) > 1:
        company.do("revoke_key", key_id=_KEY_IDS.pop(keys[1]))
    _KEY_IDS[made["secret"]] = made["id"]


def raise_the_tight_cap(scene: Scene, chance: random.Random) -> None:
    """The last company lives at its wall: now and then a little more."""
    company = scene.companies[-1]
    audit = company.audit()
    more = audit.spent + audit.held + 20_000_000
    company.do("set_cap", cap=f"{more // 10**9}.{more % 10**9:09d}")


_KEY_IDS: dict[str, str] = {}

Fault = Callable[[Scene, random.Random], None]
LOSES_DATA: tuple[Fault, ...] = (kill_redis, flush_redis)
FAULTS: tuple[Fault, ...] = (
    *(kill_a_web_process, pause_a_web_process, freeze_redis, kill_redis, flush_redis, close_connections),
    *(kill_a_celery_worker, stop_the_drain, providers_out, cut_and_raise_a_cap, suspend_a_company, change_keys),
    *(raise_the_tight_cap, raise_the_tight_cap),
)


@dataclass
class Troublemaker:
    """Each fault once in a random order, then all of them again; a store loses its data only when nothing of a killed
    worker is in it alone."""

    scene: Scene
    chance: random.Random
    faults: tuple[Fault, ...] = FAULTS
    in_order: bool = False
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """Changes that were refused because Redis was away, which is what they should be."""
    _waiting: list[Fault] = field(default_factory=list)

    def next(self) -> str:
        """Make the next one happen; its name."""
        if not self._waiting:
            self._waiting = list(self.faults) if self.in_order else self.chance.sample(self.faults, len(self.faults))
        fault = next((one for one in self._waiting if self._may(one)), None)
        if fault is None:
            return ""
        self._waiting.remove(fault)
        self.done[fault.__name__] += 1
        try:
            fault(self.scene, self.chance)
        except AssertionError as error:
            if "PolicyUnavailable" not in str(error) and "StoreUnavailable" not in str(error):
                raise
            self.refused[fault.__name__] += 1
        return fault.__name__

    def _may(self, fault: Fault) -> bool:
        return fault not in LOSES_DATA or self.scene.dead_are_written_down()


def restore(scene: Scene) -> None:
    """What a change may have left half done."""
    while scene.suspended:
        scene.suspended[-1].do("resume")
        scene.suspended.pop()


def facts(maker: Troublemaker) -> dict[str, Any]:
    return {"faults": dict(maker.done), "refused_changes": dict(maker.refused)}
