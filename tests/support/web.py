"""One more web process of a running stack, on a port of its own: a test may kill it, and the stack lives on."""

import signal
import socket
import subprocess
import sys
from types import TracebackType
from typing import Self

import httpx

from tests.support.processes import wait_until
from tests.support.stack import ROOT, ProductStack
from tokonomics.console.lifeline import tie_to_me
from tokonomics.console.stack import APPLICATION


class WebProcess:
    """`environment`: settings that differ from the stack's."""

    def __init__(self, stack: ProductStack, **environment: str) -> None:
        self._environment = {**stack.env, **environment}
        self._log = stack.folder / "web-process.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.base_url = ""

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        number = str(listener.fileno())
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tokonomics.console.serve", APPLICATION, "--fd", number, "--grace", "2"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
                preexec_fn=tie_to_me(signal.SIGKILL),
            )
        listener.close()
        wait_until(self._answers, seconds=60, what="the extra web process answers")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        assert self._process is not None, "not started"
        self._process.kill()
        self._process.wait(20)

    def _answers(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.base_url}/healthz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False
