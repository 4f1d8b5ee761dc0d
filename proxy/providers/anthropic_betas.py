"""The `anthropic-beta` header. Betas can change what a request costs, so only known ones pass."""

from collections.abc import Set

from proxy.providers.base import HeaderMap
from proxy.providers.fields import unbounded, unknown_field

HEADER = "anthropic-beta"

# Each only makes a field, a block or a header of the reply available; what has a price of its own is checked there.
KNOWN = frozenset(
    {
        "advanced-tool-use-2025-11-20",
        "cache-diagnosis-2026-04-07",
        "claude-code-20250219",
        "computer-use-2024-10-22",
        "computer-use-2025-01-24",
        "computer-use-2025-11-24",
        "context-management-2025-06-27",
        "dev-full-thinking-2025-05-14",
        "effort-2025-11-24",
        "extended-cache-ttl-2025-04-11",
        "fast-mode-2026-02-01",
        "files-api-2025-04-14",
        "fine-grained-tool-streaming-2025-05-14",
        "interleaved-thinking-2025-05-14",
        "max-tokens-3-5-sonnet-2024-07-15",
        "mid-conversation-output-config-2026-07-01",
        "mid-conversation-system-2026-04-07",
        "mid-conversation-system-clear-at-2026-08-21",
        "mid-conversation-tool-changes-2026-07-01",
        "model-context-window-exceeded-2025-08-26",
        "output-128k-2025-02-19",
        "pdfs-2024-09-25",
        "per-turn-control-2026-07-01",
        "prompt-caching-2024-07-31",
        "prompt-caching-scope-2026-01-05",
        "redact-thinking-2026-02-12",
        "structured-outputs-2025-11-13",
        "structured-outputs-2025-12-15",
        "task-budgets-2026-03-13",
        "thinking-display-updates-2026-08-18",
        "thinking-token-count-2026-05-13",
        "token-counting-2024-11-01",
        "token-efficient-tools-2025-02-19",
        "web-fetch-2025-09-10",
        "web-search-2025-03-05",
    }
)

# Ones that lift a published limit of some model, which bounds rely on. They are not passed on: a model that needs one
# then keeps to its own limit, and the models that have outgrown them do without.
DROPPED = frozenset({"context-1m-2025-08-07", "output-300k-2026-03-24"})


def check_betas(headers: HeaderMap, allowed: Set[str]) -> None:
    """Raises RequestRefused `unbounded_request` naming the first unknown beta."""
    for name in _names(headers):
        if name not in KNOWN and name not in DROPPED and name not in allowed:
            unbounded(HEADER, unknown_field(name, "beta"))


def forwarded_betas(headers: HeaderMap) -> str:
    """The header's value as it goes out; empty where nothing is left of it."""
    return ",".join(name for name in _names(headers) if name not in DROPPED)


def _names(headers: HeaderMap) -> list[str]:
    value = headers.get(HEADER)
    return [name for part in value.split(",") if (name := part.strip())] if value else []
