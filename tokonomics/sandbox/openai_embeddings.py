"""OpenAI's embeddings: vectors of unit length, the same for the same text."""

from __future__ import annotations

import array
import base64
import hashlib
import math
import sys
from typing import Any

from tokonomics.sandbox.dialect import Request, RequestError, required, whole_number
from tokonomics.sandbox.openai_chat import reported_usage
from tokonomics.sandbox.openai_prompts import Prompt, prompts_of, tokens_of
from tokonomics.sandbox.openai_replies import headers
from tokonomics.sandbox.reply import Reply, plain
from tokonomics.sandbox.tokens import Tokens

DIMENSIONS = {"text-embedding-3-large": 3072}
USUAL_DIMENSIONS = 1536


def create_embeddings(request: Request) -> Reply:
    document = request.json()
    model = required(document, "model", str)
    prompts = prompts_of(required(document, "input", (str, list)), "input")
    size = whole_number(document, "dimensions", high=4096) or DIMENSIONS.get(model, USUAL_DIMENSIONS)
    form = document.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise RequestError(400, "'encoding_format' must be float or base64.", param="encoding_format")
    tokens = Tokens(prompt=sum(map(tokens_of, prompts)), output=0)
    data = [
        {"object": "embedding", "index": index, "embedding": _written(vector_of(prompt, size), form)}
        for index, prompt in enumerate(prompts)
    ]
    reply: dict[str, Any] = {"object": "list", "data": data, "model": model}
    usage = reported_usage(tokens, request.instructions)
    if usage is not None:
        reply["usage"] = {name: usage[name] for name in ("prompt_tokens", "total_tokens")}
    return plain(reply, headers=headers(request), tokens=tokens)


def vector_of(prompt: Prompt, size: int) -> array.array[float]:
    """`size` numbers, made of a hash of the prompt; their squares sum to about 1."""
    raw = hashlib.shake_256(str(prompt).encode()).digest(size)
    centred = [byte - 127.5 for byte in raw]
    length = math.sqrt(sum(value * value for value in centred))
    return array.array("f", (value / length for value in centred))


def _written(vector: array.array[float], form: str) -> list[float] | str:
    if form == "float":
        return [round(value, 7) for value in vector]
    if sys.byteorder == "big":
        vector.byteswap()
    return base64.b64encode(vector.tobytes()).decode()
