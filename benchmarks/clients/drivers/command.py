"""For clients that are programs: what one prints, or what it says when it fails."""

import os
import subprocess

SECONDS = 110


class Failed(Exception):
    """Its exit code and what it told its user."""


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
        raise Failed(f"exit {done.returncode}: {(done.stderr.strip() or done.stdout.strip())[-1500:]}")
    return done.stdout.strip()
