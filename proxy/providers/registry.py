"""Which adapter serves a path, and in whose words a path is answered when something is wrong."""

import re

from proxy.providers.anthropic_errors import ANTHROPIC_ERRORS
from proxy.providers.anthropic_messages import ANTHROPIC_COUNT_TOKENS, ANTHROPIC_MESSAGES
from proxy.providers.base import Adapter, Dialect
from proxy.providers.gemini_common import GeminiAdapter
from proxy.providers.gemini_embed import GEMINI_BATCH_EMBED, GEMINI_EMBED
from proxy.providers.gemini_generate import GEMINI_COUNT_TOKENS, GEMINI_GENERATE, GEMINI_STREAM
from proxy.providers.google_errors import GOOGLE_ERRORS
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.providers.openai_completions import OPENAI_COMPLETIONS
from proxy.providers.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.providers.openai_errors import OPENAI_ERRORS
from proxy.providers.openai_free import OPENAI_INPUT_TOKENS, OPENAI_MODERATIONS
from proxy.providers.openai_responses import OPENAI_RESPONSES

_FIXED: dict[str, Adapter] = {
    "/v1/chat/completions": OPENAI_CHAT,
    "/v1/responses": OPENAI_RESPONSES,
    "/v1/responses/input_tokens": OPENAI_INPUT_TOKENS,
    "/v1/completions": OPENAI_COMPLETIONS,
    "/v1/embeddings": OPENAI_EMBEDDINGS,
    "/v1/moderations": OPENAI_MODERATIONS,
    "/v1/messages": ANTHROPIC_MESSAGES,
    "/v1/messages/count_tokens": ANTHROPIC_COUNT_TOKENS,
}
_OF_MODELS: dict[str, GeminiAdapter] = {
    adapter.method: adapter
    for adapter in (GEMINI_GENERATE, GEMINI_STREAM, GEMINI_EMBED, GEMINI_BATCH_EMBED, GEMINI_COUNT_TOKENS)
}
_MODEL_METHOD = re.compile(r"/(v1|v1beta)/models/([^/:]+):([A-Za-z]+)")
_VERSIONS = ("v1beta", "v1")

ADAPTERS: dict[str, Adapter] = _FIXED | {
    bound.path: bound for each in _OF_MODELS.values() for version in _VERSIONS for bound in [each.at(version, "", "")]
}
"""By the path that a client POSTs to; `{model}` stands for any."""


def adapter_for(path: str, query: str = "") -> Adapter | None:
    """None: nobody can say what a call to it costs, so it is not forwarded (404 `route_not_metered`)."""
    if (fixed := _FIXED.get(path)) is not None:
        return fixed
    named = _MODEL_METHOD.fullmatch(path)
    of_models = _OF_MODELS.get(named[3]) if named else None
    return of_models.at(named[1], named[2], query) if named and of_models else None


def dialect_for(path: str) -> Dialect:
    """For every path, also for one that is not metered."""
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return ANTHROPIC_ERRORS
    if path == "/v1beta" or path.startswith("/v1beta/") or (path.startswith("/v1/models/") and ":" in path):
        return GOOGLE_ERRORS
    return OPENAI_ERRORS
