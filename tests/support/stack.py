"""The whole product as an operator runs it: `manage.py up` in a process of its own, its providers a mock."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tenants.providers import PROVIDERS
from tests.support.processes import children_of
from tests.support.provider import ProviderMock

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 90
READY = re.compile(r"Tokonomics is ready: (http://\S+)")
# What the test settings or the developer's shell put into our environment is not the product's.
OURS = ("TOKONOMICS_", "DATABASE_URL", "REDIS_URL", "EMAIL_URL", "DJANGO_SETTINGS_MODULE", "PYTEST")


class ProductStack:
    """`up` on a data directory; `start()` again brings the same data back on the same port."""

    def __init__(
        self,
        folder: Path,
        *,
        provider: ProviderMock | None = None,
        workers: int = 2,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.log = folder / "up.log"
        self.provider = provider
        self.workers = workers
        self.port = 0
        self.base_url = ""
        self.process: subprocess.Popen[bytes] | None = None
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        self.env |= {"TOKONOMICS_DATA_DIR": str(self.data_dir), "TOKONOMICS_ALERTS_ALLOW_PRIVATE_URLS": "1"}
        self.env |= {"TOKONOMICS_PROVIDERS_ALLOW_PRIVATE_URLS": "1"}
        if provider is not None:
            self.env |= {
                "TOKONOMICS_OPENAI_BASE_URL": provider.base_url_openai,
                "TOKONOMICS_ANTHROPIC_BASE_URL": provider.base_url_anthropic,
                "TOKONOMICS_GEMINI_BASE_URL": provider.base_url_anthropic,
            }
            others = (each.id for each in PROVIDERS if each.prefixed and each.base_url)
            self.env |= {
                f"TOKONOMICS_{each.upper()}_BASE_URL": f"{provider.base_url_anthropic}/{each}/v1" for each in others
            }
        self.env |= environment or {}

    # --- Its life --------------------------------------------------------------------------------------------------
    def launch(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """`manage.py up`, without waiting for it; its lines go to `self.log`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "manage.py", "up", "--port", str(self.port), "--workers", str(self.workers)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--data-dir", str(self.data_dir), *arguments],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self.process

    def start(self) -> "ProductStack":
        process = self.launch()
        deadline = time.monotonic() + START_SECONDS
        while not (found := READY.search(self.output())):
            assert process.poll() is None, f"up ended with {process.returncode}:\n{self.output()}"
            assert time.monotonic() < deadline, f"not ready after {START_SECONDS} s:\n{self.output()}"
            time.sleep(0.05)
        self.base_url = found[1]
        self.port = int(self.base_url.rpartition(":")[2])
        return self

    def stop(self) -> int:
        """An orderly end, and its exit code."""
        assert self.process is not None, "not started"
        self.process.terminate()
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL the supervisor; the kernel ends the rest."""
        assert self.process is not None, "not started"
        self.process.kill()
        self.process.wait(20)

    def restart(self) -> None:
        if self.running():
            self.stop()
        self.start()

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    # --- Its processes ---------------------------------------------------------------------------------------------
    @property
    def pid(self) -> int:
        assert self.process is not None, "not started"
        return self.process.pid

    def parts(self) -> dict[int, str]:
        """pid -> `web`, `worker`, `beat`, `sandbox` or `valkey`."""
        return {pid: _part_of(command) for pid, command in children_of(self.pid).items()}

    def pids(self, part: str) -> list[int]:
        return [pid for pid, name in self.parts().items() if name == part]

    def worker_pids(self) -> list[int]:
        """The web processes."""
        return self.pids("web")

    # --- Its command line ------------------------------------------------------------------------------------------
    def manage(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0 or not check, (
            f"manage.py {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done

    def create_tenant(self, **options: Any) -> dict[str, Any]:
        """`create_tenant(name="Acme", monthly_cap="49.00", hard_cap=False, provider=["openai=sk-x"], test_key=True)`:
        each keyword is an option of the command. Given none: a name of its own, both mock providers, 50.00."""
        self._tenants = getattr(self, "_tenants", 0) + 1
        name = f"Tenant {self._tenants}"
        defaults = {"name": name, "owner_email": f"owner{self._tenants}@example.com"}
        defaults |= {"provider": ["openai=sk-mock-openai", "anthropic=sk-mock-anthropic"], "monthly_cap": "50.00"}
        words = [word for key, value in (defaults | options).items() for word in _option(key, value)]
        return json.loads(self.manage("create_tenant", *words, "--json").stdout)

    def audit(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """`audit_ledger --json`: its exit code and what it printed."""
        done = self.manage("audit_ledger", *arguments, "--json", check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, json.loads(done.stdout)


def _option(key: str, value: Any) -> list[str]:
    name = "--" + key.replace("_", "-")
    if value is None:
        return []
    if isinstance(value, bool):
        return [name] if value else ["--no-" + key.replace("_", "-")]
    if isinstance(value, list | tuple):
        return [word for each in value for word in (name, str(each))]
    return [name, str(value)]


def _part_of(command: list[str]) -> str:
    words = " ".join(command)
    for sign, name in {
        "tokonomics.sandbox.asgi": "sandbox",
        "tokonomics.asgi": "web",
        "console.work worker": "worker",
        "console.work beat": "beat",
        "valkey-server": "valkey",
    }.items():
        if sign in words:
            return name
    return words
