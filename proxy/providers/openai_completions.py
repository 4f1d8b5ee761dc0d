"""POST /v1/completions, the API of models that continue a text."""

from collections.abc import Set

import orjson

from budgets.pricing.bound import text_bound
from proxy.providers import fields, openai_common, openai_prompts
from proxy.providers.base import HeaderMap, Meter, ParsedRequest
from proxy.providers.openai_common import OpenAIAdapter
from proxy.providers.openai_meter import OpenAIMeter
from proxy.providers.strict_json import decode

KNOWN = frozenset(
    {
        "model", "prompt", "best_of", "echo", "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "n",
        "presence_penalty", "seed", "stop", "stream", "stream_options", "suffix", "temperature", "top_p", "user",
    }
)  # fmt: skip
_USUAL_LIMIT = 16  # what the provider takes where the client names none
_MOST_CHOICES = 128
_NO_PROMPT = openai_prompts.Prompts(count=1, tokens=1, longest=1)


class OpenAICompletions(OpenAIAdapter):
    """The adapter; it keeps nothing between requests."""

    path = "/completions"

    def parse(self, body: bytes, headers: HeaderMap, allowed_fields: Set[str]) -> ParsedRequest:
        payload = decode(body).payload
        fields.check_known(payload, KNOWN, {}, allowed_fields)
        prompt = payload.get("prompt")
        prompts = _NO_PROMPT if prompt is None else openai_prompts.read(prompt, "prompt", self.tokenizer)
        suffix = text_bound([fields.optional_text(payload.get("suffix"), "suffix")], self.tokenizer)
        tried = [fields.whole_number(payload.get(name), name, 1, _MOST_CHOICES) or 1 for name in ("n", "best_of")]
        limit = fields.whole_number(payload.get("max_tokens"), "max_tokens", 0, fields.MOST_TOKENS)
        stream = fields.flag(payload.get("stream"), "stream")
        return ParsedRequest(
            model=fields.model_name(payload),
            stream=stream,
            payload=payload,
            input_tokens=prompts.tokens
            + suffix * prompts.count
            + fields.allowed_tokens(payload, allowed_fields, KNOWN),
            output_limit=_USUAL_LIMIT if limit is None else limit,
            # `best_of` are made and billed, whatever `n` of them are shown; and that for each prompt.
            choices=prompts.count * max(tried),
            end_user=fields.optional_text(payload.get("user"), "user"),
            usage_wanted=openai_common.usage_wanted(payload) or not stream,
            model_calls=prompts.count,  # each has the context window to itself
            # Should the echo of the prompt be billed with what it is shown beside.
            extra_output=prompts.longest if fields.flag(payload.get("echo"), "echo") else 0,
        )

    def render(self, parsed: ParsedRequest, output_limit: int) -> bytes:
        payload = {**parsed.payload, "max_tokens": output_limit}
        if parsed.stream:
            payload["stream_options"] = {**(payload.get("stream_options") or {}), "include_usage": True}
        return orjson.dumps(payload)

    def meter(self, parsed: ParsedRequest) -> Meter:
        return OpenAIMeter(parsed)


OPENAI_COMPLETIONS = OpenAICompletions()
