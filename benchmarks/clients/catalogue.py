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
    Client(
        *(
            "langchain-openai",
            "langchain-openai",
            "python.langchain",
            "langchain_openai_chat.py",
            ("langchain-openai",),
        ),
        (*_FRAME, "embeddings", "responses"),
        '`ChatOpenAI(base_url="BASE/v1", api_key=KEY)`, `OpenAIEmbeddings(base_url="BASE/v1", api_key=KEY)`',
    ),
    Client(
        *("langchain-anthropic", "langchain-anthropic", "python.langchain", "langchain_anthropic_chat.py"),
        ("langchain-anthropic",),
        _FRAME,
        '`ChatAnthropic(base_url="BASE", api_key=KEY)`',
    ),
    Client(
        *("llamaindex-openai", "LlamaIndex, OpenAI", "python.llamaindex", "llamaindex_openai.py"),
        ("llama-index-llms-openai", "llama-index-embeddings-openai"),
        (*_FRAME, "embeddings", "responses"),
        '`OpenAI(api_base="BASE/v1", api_key=KEY)`, and the same for `OpenAIResponses` and `OpenAIEmbedding`',
    ),
    Client(
        *("llamaindex-anthropic", "LlamaIndex, Anthropic", "python.llamaindex", "llamaindex_anthropic.py"),
        ("llama-index-llms-anthropic",),
        _FRAME,
        '`Anthropic(base_url="BASE", api_key=KEY)`',
    ),
    Client(
        *("litellm-openai", "litellm SDK, `openai/`", "python.litellm", "litellm_openai.py", ("litellm",)),
        (*_FRAME, "embeddings", "responses"),
        '`completion(model="openai/...", api_base="BASE/v1", api_key=KEY)`',
    ),
    Client(
        *("litellm-anthropic", "litellm SDK, `anthropic/`", "python.litellm", "litellm_anthropic.py", ("litellm",)),
        _FRAME,
        '`completion(model="anthropic/...", api_base="BASE", api_key=KEY)`',
    ),
    Client(
        *("litellm-gemini", "litellm SDK, `gemini/`", "python.litellm", "litellm_gemini.py", ("litellm",)),
        _FRAME,
        '`completion(model="gemini/...", api_base="BASE/v1beta", api_key=KEY)`',
    ),
    Client(
        *("llm-openai", "llm", "python.llm", "llm_openai.py", ("llm",)),
        (*_FRAME, "embeddings", "responses"),
        "`OPENAI_BASE_URL=BASE/v1 OPENAI_API_KEY=KEY llm ...`",
    ),
    Client(
        *("llm-anthropic", "llm, Anthropic", "python.llm", "llm_anthropic_plugin.py", ("llm", "llm-anthropic")),
        _FRAME,
        "`ANTHROPIC_BASE_URL=BASE ANTHROPIC_API_KEY=KEY llm ...`",
    ),
    Client(
        *("instructor-openai", "instructor, OpenAI", "python.instructor", "instructor_openai.py", ("instructor",)),
        ("plain", "stream", "structured"),
        '`from_openai(OpenAI(base_url="BASE/v1", api_key=KEY))`',
    ),
    Client(
        *("instructor-anthropic", "instructor, Anthropic", "python.instructor", "instructor_anthropic.py"),
        ("instructor", "anthropic"),
        ("plain", "stream", "structured"),
        '`from_anthropic(Anthropic(base_url="BASE", api_key=KEY))`',
    ),
    Client(
        *("pydantic-ai-openai", "pydantic-ai, OpenAI", "python.pydantic-ai", "pydantic_ai_openai.py"),
        ("pydantic-ai-slim", "openai"),
        (*_FRAME, "responses"),
        '`OpenAIProvider(base_url="BASE/v1", api_key=KEY)`',
    ),
    Client(
        *("pydantic-ai-anthropic", "pydantic-ai, Anthropic", "python.pydantic-ai", "pydantic_ai_anthropic.py"),
        ("pydantic-ai-slim", "anthropic"),
        _FRAME,
        '`AnthropicProvider(base_url="BASE", api_key=KEY)`',
    ),
    Client(
        *("pydantic-ai-google", "pydantic-ai, Google", "python.pydantic-ai", "pydantic_ai_google.py"),
        ("pydantic-ai-slim", "google-genai"),
        _FRAME,
        '`GoogleProvider(base_url="BASE", api_key=KEY)`',
    ),
    Client(
        *("openai-agents", "OpenAI Agents SDK", "python.openai-agents", "openai_agents.py", ("openai-agents",)),
        (*_FRAME, "responses"),
        "`OPENAI_BASE_URL=BASE/v1 OPENAI_API_KEY=KEY`, or `AsyncOpenAI(base_url=..., api_key=...)` in its models",
    ),
    Client(
        *("openai-node", "openai, Node", "node.official", "openai.mjs", ("openai",), _OPENAI),
        '`new OpenAI({ baseURL: "BASE/v1", apiKey: KEY })`, or `OPENAI_BASE_URL` and `OPENAI_API_KEY`',
    ),
    Client(
        *("anthropic-node", "@anthropic-ai/sdk, Node", "node.official", "anthropic.mjs", ("@anthropic-ai/sdk",)),
        (*_FRAME, "models", "counting"),
        '`new Anthropic({ baseURL: "BASE", apiKey: KEY })`, or `ANTHROPIC_BASE_URL` and `ANTHROPIC_API_KEY`',
    ),
    Client(
        *("google-genai-node", "@google/genai, Node", "node.google", "google_genai.mjs", ("@google/genai",)),
        (*_FRAME, "embeddings", "models", "counting"),
        '`new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: "BASE" } })`',
    ),
    Client(
        *("vercel-openai", "Vercel AI SDK, OpenAI", "node.vercel", "vercel_openai.mjs", ("ai", "@ai-sdk/openai")),
        (*_FRAME, "embeddings", "responses"),
        '`createOpenAI({ baseURL: "BASE/v1", apiKey: KEY })`',
    ),
    Client(
        *("vercel-anthropic", "Vercel AI SDK, Anthropic", "node.vercel", "vercel_anthropic.mjs"),
        ("ai", "@ai-sdk/anthropic"),
        _FRAME,
        '`createAnthropic({ baseURL: "BASE/v1", apiKey: KEY })` (with `/v1`, unlike Anthropic\'s own SDK)',
    ),
    Client(
        *("vercel-google", "Vercel AI SDK, Google", "node.vercel", "vercel_google.mjs", ("ai", "@ai-sdk/google")),
        (*_FRAME, "embeddings"),
        '`createGoogleGenerativeAI({ baseURL: "BASE/v1beta", apiKey: KEY })`',
    ),
    Client(
        *("claude-code", "Claude Code", "node.claude-code", "claude_code.py", ("@anthropic-ai/claude-code",)),
        ("plain", "stream", "tools"),
        "`ANTHROPIC_BASE_URL=BASE ANTHROPIC_API_KEY=KEY claude`",
    ),
    Client(
        *("codex", "Codex CLI", "node.codex", "codex.py", ("@openai/codex",)),
        ("stream", "tools"),
        'in `~/.codex/config.toml`: `model_provider = "tokonomics"` and `[model_providers.tokonomics]` with '
        '`base_url = "BASE/v1"`, `env_key = "TOKONOMICS_KEY"`, `wire_api = "responses"`',
    ),
    Client(
        *("gemini-cli", "Gemini CLI", "node.gemini-cli", "gemini_cli.py", ("@google/gemini-cli",)),
        ("stream", "tools"),
        "`GOOGLE_GEMINI_BASE_URL=BASE GEMINI_API_KEY=KEY gemini`, and in `~/.gemini/settings.json` "
        '`{"security": {"auth": {"selectedType": "gemini-api-key"}}}`',
    ),
)
BY_NAME = {client.name: client for client in CLIENTS}
