"""A tenant's own server of OpenAI's format: vLLM, Ollama, llama.cpp, LM Studio, a gateway of somebody else's.

Its models are named by the name that the tenant gave the endpoint (`vllm/llama-3.3-70b`), and cost what the tenant says
that they cost: without a price of the tenant's own they are refused, one that costs nothing is free on purpose.
Reference: docs.vllm.ai/en/latest/serving/openai_compatible_server and github.com/ollama/ollama docs/openai.md.
"""

from functools import lru_cache

from proxy.providers.base import Adapter, Endpoint
from proxy.providers.compatible import CHAT, COMPLETIONS, EMBEDDINGS, CompatibleAdapter, Wire, adapters_of
from tenants.providers import CUSTOM

_KNOWN = frozenset(
    {
        "top_k", "min_p", "typical_p", "repetition_penalty", "length_penalty", "min_tokens", "ignore_eos",
        "stop_token_ids", "include_stop_str_in_output", "skip_special_tokens", "spaces_between_special_tokens",
        "chat_template_kwargs", "guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs",
        "include_reasoning", "reasoning", "thinking", "think", "keep_alive", "cache_salt",
    }
)  # fmt: skip


@lru_cache(maxsize=1024)
def _adapters(endpoint: Endpoint) -> dict[str, CompatibleAdapter]:
    wire = Wire(endpoint.provider, serves=(CHAT, COMPLETIONS, EMBEDDINGS), known=_KNOWN, kind=CUSTOM)
    made = adapters_of(wire)
    for each in made.values():
        each.endpoint = endpoint
    return made


def adapter(endpoint: Endpoint, path: str) -> Adapter | None:
    """None for a format that is not served at such a server."""
    return _adapters(endpoint).get(path)
