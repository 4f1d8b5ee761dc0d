"""PyPI `instructor`, over `openai`."""

from typing import Any

import instructor
from desk import serve
from instructor_shared import plain, stream, structured
from openai import OpenAI


def connect(base_url: str, key: str) -> Any:
    return instructor.from_openai(OpenAI(base_url=f"{base_url}/v1", api_key=key), model="gpt-4o-mini")


if __name__ == "__main__":
    serve(connect, plain, stream, structured)
