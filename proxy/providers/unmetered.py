"""Why a route of a provider is not forwarded: each was looked at, and none has a price that could be held ahead."""

import re

_KEPT = "what it keeps or makes at the provider is used, and billed, by later calls that do not show it"
_LATER = "its requests run after the connection is gone, for up to a day, with nobody to meter them"
_LIVE = "a session has no end and no limit that could be held"
_BY_TIME = "it is billed by time or by storage, which is not in the price list"
_READ = "it reads or changes what the provider keeps, which no key of ours is kept apart by"

_LACKS = "the base URL of this client should end in /v1 (Google's: in /v1beta, where its own does)"
_OUTSIDE = re.compile(
    r"/(chat/completions|responses|completions|embeddings|moderations|messages|models|images|audio)(/.*)?"
)

# The first that fits counts. The path as the client has it; `{...}` would stand for one segment, but prefixes do.
_REASONS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        (r"/v1/v1(beta)?/.*", "the base URL of this client has a /v1 too many: set it to the bare address"),
        (r"/v1/realtime(/.*)?", _LIVE),
        (r"/v1/live(/.*)?", _LIVE),
        (r"/v1/batches(/.*)?", _LATER),
        (r"/v1/messages/batches(/.*)?", _LATER),
        (r"/v1(beta)?/models/[^/]+:(batchGenerateContent|asyncBatchEmbedContent|predictLongRunning)", _LATER),
        (r"/v1/files(/.*)?", f"{_KEPT}; send files with the request that uses them"),
        (r"/v1/uploads(/.*)?", f"{_KEPT}; send files with the request that uses them"),
        (r"/(upload/)?v1beta/files(/.*)?", f"{_KEPT}; send them as `inlineData`"),
        (r"/v1beta/cachedContents(/.*)?", _BY_TIME),
        (r"/v1/(vector_stores|containers|storage)(/.*)?", _BY_TIME),
        (r"/v1/(fine_tuning|fine-tunes|evals|graders)(/.*)?", _LATER),
        (r"/v1/(assistants|threads|conversations|chatkit|agents|sessions)(/.*)?", _KEPT),
        (r"/v1/videos(/.*)?", _LATER),
        (r"/v1/images/variations", "only retired models make them"),
        (r"/v1/responses/compact", "the summary that the provider writes has no token limit"),
        (r"/v1/(responses|chat/completions)/.+", _READ),
    )
)
_OTHERWISE = "what it costs cannot be bounded here"


def why(path: str) -> str:
    """The end of a sentence; something for every path."""
    if is_outside(path):
        return _LACKS
    return next((reason for pattern, reason in _REASONS if pattern.fullmatch(path)), _OTHERWISE)


def is_outside(path: str) -> bool:
    """Whether it would be a provider's path below /v1: a client with another base URL than it needs asks there."""
    return _OUTSIDE.fullmatch(path) is not None
