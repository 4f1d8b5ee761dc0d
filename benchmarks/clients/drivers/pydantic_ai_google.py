"""PyPI `pydantic-ai`, over `google-genai`."""

from desk import serve
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai_shared import plain, stream, structured, tools


def connect(base_url: str, key: str) -> GoogleModel:
    return GoogleModel("gemini-2.5-flash", provider=GoogleProvider(base_url=base_url, api_key=key))


if __name__ == "__main__":
    serve(connect, plain, stream, tools, structured)
