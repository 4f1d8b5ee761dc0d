"""For clients that are programs: what one prints, or what it says when it fails."""

import os
import subprocess

SECONDS = 110


class Failed(Exception):
    """Its exit code and what it told its user; `printed` is its whole standard output."""

    def __init__(self, code: int, told: str, printed: str = "") -> None:
        super().__init__(f"exit {code}: {told[-6000:]}")
        self.code, self.printed = code, printed


def run(*words: str, **environment: str) -> str:
    done = subprocess.run(
        words,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    if done.returncode:
        raise Failed(done.returncode, done.stderr.strip() or done.stdout.strip(), done.stdout)
    return done.stdout.strip()
