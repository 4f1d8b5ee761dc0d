"""Which adapter serves a path, and in whose words a path is answered when something is wrong."""

import re
from collections.abc import Mapping

from proxy.providers import azure, compatible, custom
from proxy.providers.anthropic_errors import ANTHROPIC_ERRORS
from proxy.providers.anthropic_messages import ANTHROPIC_COUNT_TOKENS, ANTHROPIC_MESSAGES
from proxy.providers.base import Adapter, Dialect, Endpoint, RequestRefused
from proxy.providers.compatible_wires import WHY_NOT, WIRES
from proxy.providers.gemini_common import GeminiAdapter
from proxy.providers.gemini_embed import GEMINI_BATCH_EMBED, GEMINI_EMBED
from proxy.providers.gemini_generate import GEMINI_COUNT_TOKENS, GEMINI_GENERATE, GEMINI_STREAM
from proxy.providers.google_errors import GOOGLE_ERRORS
from proxy.providers.openai_chat import OPENAI_CHAT
from proxy.providers.openai_completions import OPENAI_COMPLETIONS
from proxy.providers.openai_embeddings import OPENAI_EMBEDDINGS
from proxy.providers.openai_errors import OPENAI_ERRORS
from proxy.providers.openai_free import OPENAI_INPUT_TOKENS, OPENAI_MODERATIONS
from proxy.providers.openai_images import OPENAI_IMAGE_EDITS, OPENAI_IMAGES
from proxy.providers.openai_responses import OPENAI_RESPONSES
from proxy.providers.openai_speech import OPENAI_SPEECH
from proxy.providers.openai_transcriptions import OPENAI_TRANSCRIPTIONS, OPENAI_TRANSLATIONS
from proxy.providers.strict_json import decode
from tenants.providers import REFUSED, title_of

_FIXED: dict[str, Adapter] = {
    "/v1/chat/completions": OPENAI_CHAT,
    "/v1/responses": OPENAI_RESPONSES,
    "/v1/responses/input_tokens": OPENAI_INPUT_TOKENS,
    "/v1/completions": OPENAI_COMPLETIONS,
    "/v1/embeddings": OPENAI_EMBEDDINGS,
    "/v1/moderations": OPENAI_MODERATIONS,
    "/v1/images/generations": OPENAI_IMAGES,
    "/v1/images/edits": OPENAI_IMAGE_EDITS,
    "/v1/audio/speech": OPENAI_SPEECH,
    "/v1/audio/transcriptions": OPENAI_TRANSCRIPTIONS,
    "/v1/audio/translations": OPENAI_TRANSLATIONS,
    "/v1/messages": ANTHROPIC_MESSAGES,
    "/v1/messages/count_tokens": ANTHROPIC_COUNT_TOKENS,
}
_OF_MODELS: dict[str, GeminiAdapter] = {
    adapter.method: adapter
    for adapter in (GEMINI_GENERATE, GEMINI_STREAM, GEMINI_EMBED, GEMINI_BATCH_EMBED, GEMINI_COUNT_TOKENS)
}
_MODEL_METHOD = re.compile(r"/(v1|v1beta)/models/([^/:]+):([A-Za-z]+)")
_VERSIONS = ("v1beta", "v1")

# By the prefix of a model's name, then by the path below the provider's base URL.
_PREFIXED = {wire.provider: compatible.adapters_of(wire) for wire in WIRES}
# Where a model may be named with a prefix: OpenAI's own paths that another provider may serve, or be asked for.
_MAY_BE_PREFIXED = frozenset({"/chat/completions", "/completions", "/embeddings", "/responses"})
_NAME = b'"model"'
_WITH_SLASH = re.compile(rb'"model"\s*:\s*"[^"\\/]*/')

ADAPTERS: dict[str, Adapter] = _FIXED | {
    bound.path: bound for each in _OF_MODELS.values() for version in _VERSIONS for bound in [each.at(version, "", "")]
}
"""By the path that a client POSTs to; `{model}` stands for any."""


def adapter_for(path: str, query: str = "") -> Adapter | None:
    """None: nobody can say what a call to it costs, so it is not forwarded (404 `route_not_metered`)."""
    if (fixed := _FIXED.get(path)) is not None:
        return fixed
    if path.startswith("/openai/"):
        return azure.at_path(path)
    named = _MODEL_METHOD.fullmatch(path)
    of_models = _OF_MODELS.get(named[3]) if named else None
    return of_models.at(named[1], named[2], query) if named and of_models else None


def named(adapter: Adapter, body: bytes, endpoints: Mapping[str, Endpoint]) -> Adapter:
    """Whose adapter it really is: another provider's where the model's name begins with its prefix, or a resource of
    the tenant's own (`endpoints`, by the names that they are stored under). A name without a known prefix is OpenAI's.

    Raises RequestRefused.
    """
    if type(adapter) is azure.Unplaced:  # isinstance of a Protocol's descendant is a long way, on every request
        return adapter.at(endpoints.get(adapter.provider))
    if adapter.provider != "openai" or adapter.path not in _MAY_BE_PREFIXED or not _may_name_another(body):
        return adapter
    model = decode(body).payload.get("model")
    prefix, slash, _ = model.partition("/") if type(model) is str else ("", "", "")
    if not slash or not (prefix in _PREFIXED or prefix in endpoints or prefix == "azure" or prefix in REFUSED):
        return adapter
    return _of(prefix, adapter.path, endpoints)


def serves(provider: str, path: str) -> bool:
    """Whether one of OpenAI's formats, by its path below the base URL, is served at a provider of another prefix."""
    return provider not in _PREFIXED or path in _PREFIXED[provider]


def _may_name_another(body: bytes) -> bool:
    """Whether some `model` in the body has a slash in its name; without one, nothing needs to be decoded here."""
    at = body.find(_NAME)
    while at >= 0:
        if _WITH_SLASH.match(body, at):
            return True
        at = body.find(_NAME, at + len(_NAME))
    return False


def _of(prefix: str, path: str, endpoints: Mapping[str, Endpoint]) -> Adapter:
    if why := REFUSED.get(prefix):
        raise RequestRefused("provider_not_configured", why, param="model")
    if prefix == "azure":
        return azure.Unplaced(path).at(endpoints.get(prefix))
    found = custom.adapter(endpoints[prefix], path) if prefix in endpoints else _PREFIXED[prefix].get(path)
    if found is None:
        why = WHY_NOT.get((prefix, path)) or f"{title_of(prefix)}'s models are not served at {path} here."
        raise RequestRefused("route_not_metered", why, status=404, param="model")
    return found


def dialect_for(path: str) -> Dialect:
    """For every path, also for one that is not metered."""
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return ANTHROPIC_ERRORS
    if path == "/v1beta" or path.startswith("/v1beta/") or (path.startswith("/v1/models/") and ":" in path):
        return GOOGLE_ERRORS
    return OPENAI_ERRORS
