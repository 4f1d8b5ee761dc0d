"""What `instructor` is for: replies that are objects."""

from typing import Any

from desk import QUESTION
from pydantic import BaseModel


class City(BaseModel):
    """A city."""

    city: str
    inhabitants: int


def plain(client: Any) -> str:
    """Without an object: the provider's own reply."""
    return str(client.create(response_model=None, messages=[{"role": "user", "content": QUESTION}], max_tokens=300))


def stream(client: Any) -> str:
    parts = client.create_partial(
        response_model=City, messages=[{"role": "user", "content": "Name a city."}], max_tokens=300
    )
    return str(list(parts)[-1])


def structured(client: Any) -> Any:
    return client.create(response_model=City, messages=[{"role": "user", "content": "Name a city."}], max_tokens=300)
