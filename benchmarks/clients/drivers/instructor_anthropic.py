"""PyPI `instructor`, over `anthropic`."""

from typing import Any

import instructor
from anthropic import Anthropic
from desk import serve
from instructor_shared import plain, stream, structured


def connect(base_url: str, key: str) -> Any:
    return instructor.from_anthropic(Anthropic(base_url=base_url, api_key=key), model="claude-haiku-4-5")


if __name__ == "__main__":
    serve(connect, plain, stream, structured)
