"""Where a model runs, if that changes its price.

Anthropic (platform.claude.com/docs/en/manage-claude/data-residency, as of 2026-11-24): from Claude Opus 4.6 on,
inference that is kept to the US costs 1.1 times every token rate; a request asks for it by `inference_geo`, a workspace
may have it for its default, and the reply's usage names where it ran. Earlier models know no regions. Fees of searches
stay.
"""

from collections.abc import Mapping

_ANTHROPIC: Mapping[str, int] = {"global": 100, "not_available": 100, "us": 110}
_WITHOUT = (
    "claude-2", "claude-3", "claude-opus-4-0", "claude-opus-4-1", "claude-opus-4-5", "claude-sonnet-4-0",
    "claude-sonnet-4-5", "claude-haiku-4-5",
)  # fmt: skip


def regions_of(provider: str, model_id: str) -> Mapping[str, int]:
    """Percent of the token rates by the region's name; empty where all cost the same."""
    return _ANTHROPIC if provider == "anthropic" and not model_id.startswith(_WITHOUT) else {}
