"""PyPI `litellm`, speaking Google's format."""

from desk import serve
from litellm_sdk import of, plain, stream, structured, tools

if __name__ == "__main__":
    serve(of("gemini/gemini-2.5-flash", "/v1beta"), plain, stream, tools, structured)
