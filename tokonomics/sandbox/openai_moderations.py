"""OpenAI's moderations, which cost nothing: this sandbox objects to nothing, save to texts that say `violence`."""

from __future__ import annotations

from typing import Any

from tokonomics.sandbox.dialect import Request, required
from tokonomics.sandbox.generation import digest_of
from tokonomics.sandbox.openai_replies import headers
from tokonomics.sandbox.reply import Reply, plain

CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
MODEL = "omni-moderation-latest"


def create_moderation(request: Request) -> Reply:
    document = request.json()
    asked = required(document, "input", (str, list))
    inputs = asked if isinstance(asked, list) and all(isinstance(item, str) for item in asked) else [asked]
    reply = {
        "id": "modr-" + digest_of(request.body),
        "model": document.get("model") or MODEL,
        "results": [_result(str(item)) for item in inputs],
    }
    return plain(reply, headers=headers(request))


def _result(text: str) -> dict[str, Any]:
    found = {category: category == "violence" and category in text for category in CATEGORIES}
    return {
        "flagged": any(found.values()),
        "categories": found,
        "category_scores": {category: 0.99 if found[category] else 0.01 for category in CATEGORIES},
        "category_applied_input_types": {category: ["text"] for category in CATEGORIES},
    }
