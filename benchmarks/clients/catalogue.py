"""Which clients there are, what each is asked to do, and how each is pointed at Tokonomics."""

from dataclasses import dataclass

FEATURES = ("plain", "stream", "tools", "structured", "embeddings", "responses", "models", "counting")


@dataclass(frozen=True)
class Client:
    """`packages`: the ones whose versions the table names; `setting`: the one thing that its user changes."""

    name: str
    title: str
    environment: str
    driver: str
    packages: tuple[str, ...]
    features: tuple[str, ...]
    setting: str


_OPENAI = ("plain", "stream", "tools", "structured", "embeddings", "responses", "models")
_FRAME = ("plain", "stream", "tools", "structured")

CLIENTS = (
    Client(
        *("openai-python", "openai, Python", "python.official", "openai_sdk.py", ("openai",), _OPENAI),
        '`OpenAI(base_url="BASE/v1", api_key=KEY)`, or `OPENAI_BASE_URL` and `OPENAI_API_KEY`',
    ),
    Client(
        *("anthropic-python", "anthropic, Python", "python.official", "anthropic_sdk.py", ("anthropic",)),
        (*_FRAME, "models", "counting"),
        '`Anthropic(base_url="BASE", api_key=KEY)`, or `ANTHROPIC_BASE_URL` and `ANTHROPIC_API_KEY`',
    ),
    Client(
        *("google-genai", "google-genai, Python", "python.official", "google_genai.py", ("google-genai",)),
        (*_FRAME, "embeddings", "models", "counting"),
        '`genai.Client(api_key=KEY, http_options=HttpOptions(base_url="BASE"))`, or `GOOGLE_GEMINI_BASE_URL`',
    ),
)
BY_NAME = {client.name: client for client in CLIENTS}
