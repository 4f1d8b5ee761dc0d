"""Tokonomics as `manage.py up` runs it, with everything on; its web processes are on the measured core."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from benchmarks import machine
from benchmarks.certificate import certify
from benchmarks.processes import ROOT, Provider
from benchmarks.targets.base import Target

RESERVES = re.compile(rb'^tokonomics_reserve_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)
READY = re.compile(r"Tokonomics is ready: http://\S+:(\d+)")


class Tokonomics(Target):
    name = "tokonomics"
    title = "Tokonomics"
    workers = 1

    def __init__(self, folder: Path, provider: Provider) -> None:
        super().__init__(folder, provider)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TOKONOMICS_", "DJANGO_"))},
            "TOKONOMICS_DATA_DIR": str(self.folder / "data"),
            "TOKONOMICS_OPENAI_BASE_URL": f"{provider.url}/v1",
        }

    def start(self) -> None:
        command = [sys.executable, "manage.py", "up", "--port", "0", "--workers", str(self.workers)]
        up = self._run([*command, "--data-dir", self.folder / "data"], beside=True, env=self._environment)
        up.until(lambda: READY.search(up.log.read_text()) is not None)
        found = READY.search(up.log.read_text())
        assert found is not None
        self.port = int(found[1])
        machine.pin(self.measured, {machine.MEASURED} if self.workers == 1 else set(machine.CORES))
        if self.headers["authorization"] == "Bearer sk-bench":
            self.headers = {"authorization": f"Bearer {self._company('1000000')}"}

    @property
    def measured(self) -> list[int]:
        """The web processes."""
        return [pid for pid in self._running[0].pids if _is_web(pid)]

    def come_to_rest(self) -> None:
        """Until the journal is in the database, a minute at most."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            time.sleep(1.2)  # the numbers are a second old
            if b"\ntokonomics_undrained_settles 0.0" in self._metrics():
                return

    def reserves(self) -> dict[str, float]:
        return {bound.decode(): float(count) for bound, count in RESERVES.findall(self._metrics())}

    def _metrics(self) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as reply:
            return bytes(reply.read())

    def capped(self) -> dict[str, str]:
        """Headers of a company that can spend nothing: every request of it is refused."""
        return {"authorization": f"Bearer {self._company('0')}"}

    def many(self, companies: int, keys: int) -> Path:
        """The file with the API keys of so many companies, made at the first call."""
        path = self.folder / f"keys-{companies}x{keys}.txt"
        if not path.exists():
            self._python("-m", "benchmarks.companies", str(companies), str(keys), str(path))
        return path

    def _company(self, cap: str) -> str:
        self._companies = getattr(self, "_companies", 0) + 1
        words = ["--name", f"Bench {self._companies}", "--owner-email", f"bench{self._companies}@example.com"]
        words += ["--monthly-cap", cap, "--provider", "openai=sk-bench", "--json"]
        return str(json.loads(self._python("manage.py", "create_tenant", *words))["api_key"])

    def _python(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{arguments}: {done.stderr[-2000:]}")
        return done.stdout


class OverTLS(Tokonomics):
    """The same, with a provider of its own that speaks TLS under a certificate of our making."""

    name = "tokonomics-tls"
    title = "Tokonomics, provider over TLS"

    def __init__(self, folder: Path, provider: Provider) -> None:
        certificate, key = certify(folder)
        self._secure = Provider(folder / "provider-tls.log", tls=(certificate, key))
        super().__init__(folder, self._secure)
        self._environment["SSL_CERT_FILE"] = str(certificate)

    def stop(self) -> None:
        super().stop()
        self._secure.stop()


class TwoWorkers(Tokonomics):
    """Two web processes, on both cores; load, provider and Redis have to share them."""

    name = "tokonomics-2"
    title = "Tokonomics, two web processes"
    workers = 2


def _is_web(pid: int) -> bool:
    return b"tokonomics.asgi" in Path(f"/proc/{pid}/cmdline").read_bytes()
