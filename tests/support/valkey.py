"""A real Valkey for tests: started, stopped, frozen and killed at will."""

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import redis

from tests.support.processes import state_of, wait_until
from tokonomics.console.embedded import EmbeddedValkey
from tokonomics.console.lifeline import tie_to_me


class ValkeyServer:
    """One server of its own in `folder`; with `append_only` its data outlives `stop()` and `kill()`."""

    def __init__(self, folder: Path, *, append_only: bool) -> None:
        self.folder = folder
        self.embedded = EmbeddedValkey(folder, append_only=append_only)
        self.url = self.embedded.url
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None, "not started"
        return self.process.pid

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> "ValkeyServer":
        lock = self.embedded.claim(patience=0.2)
        with (self.folder / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.embedded.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=tie_to_me(signal.SIGKILL),
                pass_fds=[lock],
            )
        os.close(lock)
        self.embedded.wait(alive=self.running, timeout=20)
        return self

    def stop(self, signum: int = signal.SIGTERM) -> None:
        """An orderly end: everything is in the append-only file."""
        if self.process is None:
            return
        if self.running():
            self.process.send_signal(signum)
            self.process.send_signal(signal.SIGCONT)
        self.process.wait(20)
        self.process = None

    def kill(self) -> None:
        """A crash. While the server waits for an earlier fsync it keeps up to two seconds of writes in memory, although
        it has answered them: call `on_disk()` first where a test counts on them."""
        self.stop(signal.SIGKILL)

    def on_disk(self) -> None:
        """Wait until all that was written is in the append-only file."""

        def written() -> bool:
            state = self.cli("INFO", "persistence")
            return not (state["aof_buffer_length"] or state["aof_pending_bio_fsync"])

        wait_until(written, what="the append-only file written")

    def restart(self) -> None:
        """Another run_id; with append_only, the same data."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """It keeps its connections and answers nothing, from the moment that this returns."""
        os.kill(self.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(self.pid) == "T", what="Valkey stopped")

    def thaw(self) -> None:
        """It does what was asked of it meanwhile, then answers again."""
        os.kill(self.pid, signal.SIGCONT)
        self.embedded.wait(alive=self.running, timeout=20)

    def cli(self, *command: str | int | bytes) -> Any:
        """One command on a connection of its own; strings in, strings out."""
        with redis.Redis.from_url(self.url, decode_responses=True, socket_timeout=10) as client:
            return client.execute_command(*command)

    def flushall(self) -> None:
        self.cli("FLUSHALL")

    def save_snapshot(self, target: Path) -> None:
        """Copy the append-only files as they are now: an older state to `restore_snapshot` from later."""
        self.stop()
        shutil.copytree(self.folder / "valkey", target)
        self.start()

    def restore_snapshot(self, source: Path) -> None:
        """What an operator does who restores last night's backup."""
        self.stop()
        shutil.rmtree(self.folder / "valkey")
        shutil.copytree(source, self.folder / "valkey")
        self.start()

    def healthy(self) -> bool:
        return self.running() and self.embedded.answers(timeout=0.5)
