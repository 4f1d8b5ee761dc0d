"""What an application changes, in four languages: exact, with the real address, and with the key where it is known."""

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

TEST_KEY, LIVE_KEY = "tk_test_...", "tk_live_..."


@dataclass(frozen=True, slots=True)
class Line:
    """`changed`: what is not as it was with the provider directly."""

    text: str
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Snippet:
    id: str
    label: str
    lines: tuple[Line, ...]


def base_url(request: HttpRequest) -> str:
    """Where applications reach us, without a slash at its end."""
    return (settings.PUBLIC_URL or request.build_absolute_uri("/")).rstrip("/")


def of(request: HttpRequest, key: str = TEST_KEY) -> tuple[Snippet, ...]:
    base = base_url(request)
    return (
        Snippet("openai", "OpenAI, Python", _marked(_OPENAI_PYTHON, base, key)),
        Snippet("anthropic", "Anthropic, Python", _marked(_ANTHROPIC_PYTHON, base, key)),
        Snippet("node", "Node", _marked(_NODE, base, key)),
        Snippet("curl", "curl", _marked(_CURL, base, key)),
    )


def _marked(text: str, base: str, key: str) -> tuple[Line, ...]:
    """`{base}` and `{key}` filled in; lines that have one of them are the changed ones."""
    return tuple(
        Line(line.replace("{base}", base).replace("{key}", key), "{base}" in line or "{key}" in line)
        for line in text.strip("\n").split("\n")
    )


_OPENAI_PYTHON = """
from openai import OpenAI

client = OpenAI(
    base_url="{base}/v1",
    api_key="{key}",
)
reply = client.chat.completions.create(
    model="gpt-4o-mini",
    messages=[{"role": "user", "content": "Say hello."}],
)
print(reply.choices[0].message.content)
"""

_ANTHROPIC_PYTHON = """
from anthropic import Anthropic

client = Anthropic(
    base_url="{base}",
    api_key="{key}",
)
reply = client.messages.create(
    model="claude-haiku-4-5",
    max_tokens=200,
    messages=[{"role": "user", "content": "Say hello."}],
)
print(reply.content[0].text)
"""

_NODE = """
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "{base}/v1",
  apiKey: "{key}",
});
const reply = await client.chat.completions.create({
  model: "gpt-4o-mini",
  messages: [{ role: "user", content: "Say hello." }],
});
console.log(reply.choices[0].message.content);
"""

_CURL = """
curl {base}/v1/chat/completions \\
  -H "Authorization: Bearer {key}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}'
"""
