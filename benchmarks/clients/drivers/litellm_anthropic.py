"""PyPI `litellm`, speaking Anthropic's format."""

from desk import serve
from litellm_sdk import of, plain, stream, structured, tools

if __name__ == "__main__":
    serve(of("anthropic/claude-haiku-4-5", ""), plain, stream, tools, structured)
