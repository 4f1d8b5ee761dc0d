"""The mock alone, for tests and benchmarks of several processes: `python -m tests.support.provider --port P`.

Prints its port on a line of its own, then serves until SIGTERM or SIGINT. It remembers no request unless told to by
`--keep`; its counts are at `GET /__stats__`.
"""

from __future__ import annotations

import argparse
import signal
import sys

import uvloop

from tests.support.provider.mock import ProviderMock


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.provider", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--keep", type=int, default=0, help="how many requests to remember")
    arguments = parser.parse_args()
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # before the server's thread starts, which inherits it
    with ProviderMock(port=arguments.port, keep=arguments.keep, loop_factory=uvloop.new_event_loop) as mock:
        sys.stdout.write(f"{mock.port}\n")
        sys.stdout.flush()
        signal.sigwait(stops)


if __name__ == "__main__":
    main()
