"""The providers that are known, as data: what people call them, where they are, how they are asked for their models.

One row each, for the settings, the credentials, the pages, the API and the proxy alike. A provider that speaks OpenAI's
chat format under a model prefix of its own (`groq/llama-3.3-70b-versatile`) is a row here and one in
`proxy.providers.compatible`; docs/providers.md is the recipe. Pure: no Django, for the settings read it too.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Auth(StrEnum):
    """The header that carries the provider's key."""

    BEARER = "authorization"
    X_API_KEY = "x-api-key"
    X_GOOG_API_KEY = "x-goog-api-key"
    API_KEY = "api-key"


@dataclass(frozen=True, slots=True)
class Provider:
    """`base_url` in the form that its own SDK takes; empty where each tenant has an address of its own.

    `check_path`: what answers a GET with a good key only, and costs nothing: mostly its list of models. `prices`: its
    id in the price data. `prefixed`: its models are named `<id>/<model>` here.
    """

    id: str
    title: str
    base_url: str
    prices: str
    check_path: str = "/models"
    auth: Auth = Auth.BEARER
    prefixed: bool = True

    @property
    def setting(self) -> str:
        """The environment's name for another base URL."""
        return f"TOKONOMICS_{self.id.upper()}_BASE_URL"


AZURE = Provider("azure", "Azure OpenAI", "", "azure", "/openai/v1/models", Auth.API_KEY)

PROVIDERS = (
    Provider("openai", "OpenAI", "https://api.openai.com/v1", "openai", prefixed=False),
    Provider(
        "anthropic", "Anthropic", "https://api.anthropic.com", "anthropic", "/v1/models", Auth.X_API_KEY, prefixed=False
    ),
    Provider(
        "gemini", "Google Gemini", "https://generativelanguage.googleapis.com", "google", "/v1beta/models",
        Auth.X_GOOG_API_KEY, prefixed=False,
    ),
    AZURE,
    Provider("groq", "Groq", "https://api.groq.com/openai/v1", "groq"),
    Provider("mistral", "Mistral", "https://api.mistral.ai/v1", "mistral"),
    Provider("deepseek", "DeepSeek", "https://api.deepseek.com", "deepseek"),
    Provider("xai", "xAI", "https://api.x.ai/v1", "x-ai"),
    Provider("together", "Together AI", "https://api.together.xyz/v1", "together"),
    Provider("fireworks", "Fireworks AI", "https://api.fireworks.ai/inference/v1", "fireworks"),
    Provider("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", "openrouter", "/key"),
    Provider("cerebras", "Cerebras", "https://api.cerebras.ai/v1", "cerebras"),
    Provider("perplexity", "Perplexity", "https://api.perplexity.ai/v1", "perplexity"),
)  # fmt: skip
BY_ID = {each.id: each for each in PROVIDERS}

CUSTOM = "custom"
"""What one asks for to add an endpoint of the tenant's own; it is stored under the name that the tenant gives it."""

REFUSED = {
    "bedrock": "Amazon Bedrock signs each request and streams in a binary format, which is not spoken here. Its "
    "OpenAI-compatible endpoint with a Bedrock API key works as an endpoint of your own.",
    "vertex": "Vertex AI takes tokens that last an hour, which are not made here. Gemini models work with a Gemini "
    "key.",
}
"""Names that people will try, and why not."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME = 32
# Names of the wire and of ours that a prefix must not be taken for.
_RESERVED = frozenset({CUSTOM, "sandbox", "ft", "models", "accounts", "google", "amazon", "aws", *REFUSED, *BY_ID})


def usual(provider: str) -> str:
    """The base URL that a provider publishes."""
    return BY_ID[provider].base_url


def is_custom(provider: str) -> bool:
    """Whether this is a tenant's own endpoint, by the name that it is stored under."""
    return provider not in BY_ID


def title_of(provider: str) -> str:
    return BY_ID[provider].title if provider in BY_ID else provider


def is_name(text: str) -> bool:
    """Whether a tenant may call an endpoint of its own so: it becomes the prefix of its models."""
    return bool(_NAME.fullmatch(text)) and len(text) <= _LONGEST_NAME and text not in _RESERVED
