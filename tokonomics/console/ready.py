"""How a process tells the supervisor that it is ready: one byte on a pipe whose number is in the environment."""

import os

VARIABLE = "TOKONOMICS_READY_FD"


def announce() -> None:
    """Say it once; later calls, and processes that nobody supervises, say nothing."""
    number = os.environ.pop(VARIABLE, "")
    if number:
        os.write(int(number), b"1")
        os.close(int(number))
