"""What is reached over the network: providers (where, waited for how long, how much is read), and alert channels."""

from tokonomics.settings.environment import env

PROVIDER_BASE_URLS = {
    "openai": env.str("TOKONOMICS_OPENAI_BASE_URL", default="https://api.openai.com/v1"),
    "anthropic": env.str("TOKONOMICS_ANTHROPIC_BASE_URL", default="https://api.anthropic.com"),
    "gemini": env.str("TOKONOMICS_GEMINI_BASE_URL", default="https://generativelanguage.googleapis.com"),
    "groq": env.str("TOKONOMICS_GROQ_BASE_URL", default="https://api.groq.com/openai/v1"),
    "mistral": env.str("TOKONOMICS_MISTRAL_BASE_URL", default="https://api.mistral.ai/v1"),
    "deepseek": env.str("TOKONOMICS_DEEPSEEK_BASE_URL", default="https://api.deepseek.com"),
    "xai": env.str("TOKONOMICS_XAI_BASE_URL", default="https://api.x.ai/v1"),
    "together": env.str("TOKONOMICS_TOGETHER_BASE_URL", default="https://api.together.xyz/v1"),
    "fireworks": env.str("TOKONOMICS_FIREWORKS_BASE_URL", default="https://api.fireworks.ai/inference/v1"),
    "openrouter": env.str("TOKONOMICS_OPENROUTER_BASE_URL", default="https://openrouter.ai/api/v1"),
    "cerebras": env.str("TOKONOMICS_CEREBRAS_BASE_URL", default="https://api.cerebras.ai/v1"),
    "perplexity": env.str("TOKONOMICS_PERPLEXITY_BASE_URL", default="https://api.perplexity.ai/v1"),
}
# Whether a tenant's own endpoint (Azure, vLLM, Ollama) may be at a private address.
PROVIDERS_ALLOW_PRIVATE_URLS = env.bool("TOKONOMICS_PROVIDERS_ALLOW_PRIVATE_URLS", default=False)
SANDBOX_URL = env.str("TOKONOMICS_SANDBOX_URL", default="http://127.0.0.1:8001")
UPSTREAM_TRANSPORT = env.str("TOKONOMICS_UPSTREAM_TRANSPORT", default="keepalive")  # or `httpx`
UPSTREAM_FIRST_BYTE_TIMEOUT = env.float("TOKONOMICS_UPSTREAM_FIRST_BYTE_TIMEOUT", default=600.0)
UPSTREAM_IDLE_TIMEOUT = env.float("TOKONOMICS_UPSTREAM_IDLE_TIMEOUT", default=120.0)
UPSTREAM_TOTAL_TIMEOUT = env.float("TOKONOMICS_UPSTREAM_TOTAL_TIMEOUT", default=3600.0)
MAX_BODY_BYTES = env.int("TOKONOMICS_MAX_BODY_BYTES", default=32 * 1024 * 1024)
ABANDONED_DRAIN_SECONDS = env.float("TOKONOMICS_ABANDONED_DRAIN_SECONDS", default=120.0)
ABANDONED_DRAIN_BYTES = env.int("TOKONOMICS_ABANDONED_DRAIN_BYTES", default=8 * 1024 * 1024)
ALERTS_ALLOW_PRIVATE_URLS = env.bool("TOKONOMICS_ALERTS_ALLOW_PRIVATE_URLS", default=False)
