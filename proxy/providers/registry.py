"""Which adapter serves a path, and in whose words a path is answered when something is wrong."""

from proxy.providers.anthropic_errors import ANTHROPIC_ERRORS
from proxy.providers.anthropic_messages import ANTHROPIC_COUNT_TOKENS, ANTHROPIC_MESSAGES
from proxy.providers.base import Adapter, Dialect
from proxy.providers.google_errors import GOOGLE_ERRORS
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.providers.openai_completions import OPENAI_COMPLETIONS
from proxy.providers.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.providers.openai_errors import OPENAI_ERRORS
from proxy.providers.openai_free import OPENAI_INPUT_TOKENS, OPENAI_MODERATIONS
from proxy.providers.openai_responses import OPENAI_RESPONSES

ADAPTERS: dict[str, Adapter] = {
    "/v1/chat/completions": OPENAI_CHAT,
    "/v1/responses": OPENAI_RESPONSES,
    "/v1/responses/input_tokens": OPENAI_INPUT_TOKENS,
    "/v1/completions": OPENAI_COMPLETIONS,
    "/v1/embeddings": OPENAI_EMBEDDINGS,
    "/v1/moderations": OPENAI_MODERATIONS,
    "/v1/messages": ANTHROPIC_MESSAGES,
    "/v1/messages/count_tokens": ANTHROPIC_COUNT_TOKENS,
}
"""By the path that a client POSTs to."""


def adapter_for(path: str, query: str = "") -> Adapter | None:
    """None: nobody can say what a call to it costs, so it is not forwarded (404 `route_not_metered`)."""
    return ADAPTERS.get(path)


def dialect_for(path: str) -> Dialect:
    """For every path, also for one that is not metered."""
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return ANTHROPIC_ERRORS
    if path == "/v1beta" or path.startswith("/v1beta/"):
        return GOOGLE_ERRORS
    return OPENAI_ERRORS
