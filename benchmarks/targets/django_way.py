"""The obvious Django way, as a baseline of our own: what one writes first, and what a hot path is measured against."""

import os
import sys

from benchmarks import machine
from benchmarks.targets.base import Target


class DjangoWay(Target):
    """Stock ASGI handler with the default middleware, httpx.AsyncClient, redis-py, two scripts a request."""

    name = "django"
    title = "the obvious Django way"

    def start(self) -> None:
        from tokonomics.console.embedded import EmbeddedValkey

        valkey = EmbeddedValkey(self.folder / "valkey", append_only=True)
        (self.folder / "valkey").mkdir(parents=True, exist_ok=True)
        self._run(valkey.command(), beside=True).until(valkey.answers)
        self.port = machine.free_port()
        environment = {**os.environ, "BENCH_REDIS_URL": valkey.url, "BENCH_PROVIDER_URL": self.provider.url}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        command = [sys.executable, "-m", "uvicorn", "benchmarks.obvious:application", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--no-access-log", "--log-level", "warning", "--loop", "uvloop"]
        self._run(command, path="/up", env=environment)
