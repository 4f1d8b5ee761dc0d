"""The sandbox as it is really run: uvicorn in a process of its own, on a free port of the loopback."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.provider import ProviderMock

START_SECONDS = 60


@dataclass(frozen=True)
class Sandbox:
    port: int
    log_file: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def log(self) -> str:
        return self.log_file.read_text()


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    log_file = tmp_path_factory.mktemp("sandbox") / "uvicorn.log"
    command = [sys.executable, "-m", "uvicorn", "tokonomics.sandbox.asgi:app", "--host", "127.0.0.1", "--port", "0"]
    with log_file.open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield Sandbox(_port_in(log_file), log_file)
        finally:
            process.terminate()


def _port_in(log_file: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = re.search(r"running on http://127\.0\.0\.1:(\d+)", log_file.read_text())
        if found:
            return int(found[1])
        time.sleep(0.02)
    raise TimeoutError(f"uvicorn did not start: {log_file.read_text()}")


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Iterator[Sandbox]:
    """The running sandbox; a test fails that makes it log an error."""
    before = len(sandbox_process.log())
    yield sandbox_process
    said = sandbox_process.log()[before:]
    assert "Traceback" not in said and "ERROR" not in said, said


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
def mock() -> Iterator[ProviderMock]:
    with ProviderMock() as mock:
        yield mock
