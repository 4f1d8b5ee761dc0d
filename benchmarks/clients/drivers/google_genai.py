"""PyPI `google-genai`."""

from desk import QUESTION, serve, weather
from google import genai
from google.genai import types
from pydantic import BaseModel

MODEL, EMBEDDING = "gemini-2.5-flash", "gemini-embedding-001"


class City(BaseModel):
    city: str
    inhabitants: int


def connect(base_url: str, key: str) -> genai.Client:
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base_url))


def plain(client: genai.Client) -> str | None:
    return client.models.generate_content(model=MODEL, contents=QUESTION).text


def stream(client: genai.Client) -> str:
    return "".join(chunk.text or "" for chunk in client.models.generate_content_stream(model=MODEL, contents=QUESTION))


def tools(client: genai.Client) -> str | None:
    """The client calls the function by itself, and sends what it said."""
    config = types.GenerateContentConfig(tools=[weather])
    reply = client.models.generate_content(model=MODEL, contents=QUESTION, config=config)
    assert len(reply.automatic_function_calling_history or ()) == 3, "the function was not called"
    return reply.text


def structured(client: genai.Client) -> object:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=City)
    return client.models.generate_content(model=MODEL, contents="Name a city.", config=config).parsed


def embeddings(client: genai.Client) -> int:
    reply = client.models.embed_content(model=EMBEDDING, contents=["One text", "and another"])
    return len(reply.embeddings[1].values)


def models(client: genai.Client) -> int:
    return len([model for model in client.models.list() if model.name == f"models/{MODEL}"])


def counting(client: genai.Client) -> int:
    return client.models.count_tokens(model=MODEL, contents=QUESTION).total_tokens


if __name__ == "__main__":
    serve(connect, plain, stream, tools, structured, embeddings, models, counting)
