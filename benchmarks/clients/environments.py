"""Where each client is installed: an environment of its own, made once and again when its versions change."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import ROOT

CACHE = ROOT / ".cache" / "clients"
VERSIONS = Path(__file__).with_name("versions.toml")
DRIVERS = Path(__file__).with_name("drivers")
INSTALL_SECONDS = 600


class CannotInstall(Exception):
    """What the package manager said, or what is missing on this machine."""


@dataclass(frozen=True)
class Environment:
    """`language` is `python` or `node`; `packages` by name, each with its one version."""

    language: str
    name: str
    packages: Mapping[str, str]

    @property
    def folder(self) -> Path:
        return CACHE / f"{self.language}-{self.name}"

    @property
    def programs(self) -> Path:
        return self.folder / ("bin" if self.language == "python" else "node_modules/.bin")

    def install(self) -> None:
        """Raises CannotInstall."""
        wanted, mark = json.dumps(self.packages, sort_keys=True), self.folder / ".installed"
        if mark.exists() and mark.read_text() == wanted:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if self.language == "python":
            _run([sys.executable, "-m", "venv", self.folder])
            pinned = [f"{name}=={version}" for name, version in self.packages.items()]
            pip = [self.programs / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            _run([*pip, *pinned])
        else:
            if not shutil.which("npm"):
                raise CannotInstall("npm is not on this machine")
            pinned = [f"{name}@{version}" for name, version in self.packages.items()]
            _run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", self.folder, *pinned])
        mark.write_text(wanted)

    def command(self, driver: str) -> list[str]:
        """What starts a driver here: one for Node has to lie beside the packages that it imports."""
        if driver.endswith(".mjs"):
            for each in DRIVERS.glob("*.mjs"):
                shutil.copy(each, self.folder)
            return ["node", str(self.folder / driver)]
        # The drivers of command-line clients are Python too, whatever the client is.
        python = self.programs / "python" if self.language == "python" else sys.executable
        return [str(python), str(DRIVERS / driver)]


def environments() -> dict[str, Environment]:
    """By `language.name`."""
    pinned = tomllib.loads(VERSIONS.read_text())
    return {
        f"{language}.{name}": Environment(language, name, packages)
        for language, each in pinned.items()
        for name, packages in each.items()
    }


def _run(command: list[str | Path]) -> None:
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=INSTALL_SECONDS, env=os.environ)
    except subprocess.TimeoutExpired as error:
        raise CannotInstall(f"{words[0]} took more than {INSTALL_SECONDS} s") from error
    if done.returncode:
        raise CannotInstall((done.stderr or done.stdout).strip()[-500:])
