"""Where providers of OpenAI's format tell their usage otherwise: one function each, the reference in its words.

Each takes the decoded `usage` and raises UsageUnknown where it cannot be true.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from typing import Any

from budgets.money import NANO
from budgets.pricing.rates import Model, Retention
from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers import fields
from proxy.providers.openai_meter import read_usage
from proxy.providers.usage_fields import details, optional, required


def groq_find(reply: dict[str, Any]) -> Any:
    """A stream's last choice has it in `x_groq`, asked for or not (console.groq.com/docs/api-reference)."""
    if type(usage := reply.get("usage")) is dict:
        return usage
    extension = reply.get("x_groq")
    return extension.get("usage") if type(extension) is dict else None


def deepseek(usage: dict[str, Any]) -> Usage:
    """Cache hits stand beside the prompt's tokens and are a part of them (api-docs.deepseek.com/api/create-chat-
    completion). Reasoning is a part of the completion.
    """
    told = details(usage, "prompt_tokens_details")
    hits = optional(usage, "prompt_cache_hit_tokens") or optional(told, "cached_tokens")
    return read_usage(usage | {"prompt_tokens_details": told | {"cached_tokens": hits}}, "", Retention.SHORT)


def xai(usage: dict[str, Any]) -> Usage:
    """Reasoning tokens are billed as output and are no part of `completion_tokens` (docs.x.ai/docs/guides/reasoning);
    the total says so. Where it says that they are, as resellers count, they are not added again.
    """
    if optional(usage, "num_sources_used"):
        raise UsageUnknown("sources were searched, at a price that is not known here")
    prompt, completion = required(usage, "prompt_tokens"), required(usage, "completion_tokens")
    reasoning = optional(details(usage, "completion_tokens_details"), "reasoning_tokens")
    apart = optional(usage, "total_tokens") != prompt + completion
    return read_usage(
        usage | {"completion_tokens": completion + reasoning if apart else completion}, "", Retention.SHORT
    )


def together(usage: dict[str, Any]) -> Usage:
    """`cached_tokens` stands beside the prompt's tokens, and is a part of them (docs.together.ai/reference)."""
    told = details(usage, "prompt_tokens_details")
    cached = optional(told, "cached_tokens") or optional(usage, "cached_tokens")
    return read_usage(usage | {"prompt_tokens_details": told | {"cached_tokens": cached}}, "", Retention.SHORT)


# --- OpenRouter ------------------------------------------------------------------------------------------------------


def exact(data: bytes) -> Any:
    """JSON with its decimals as they are written: amounts of money are among them. Raises ValueError."""
    try:
        return json.loads(data, parse_float=Decimal)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def openrouter(usage: dict[str, Any]) -> Usage:
    """What it charged is in the reply (`cost`, in dollars: openrouter.ai/docs/use-cases/usage-accounting), whichever
    provider it went to. With a key of the tenant's at that provider, `cost` is OpenRouter's fee alone, and the rest is
    in `cost_details.upstream_inference_cost`. A reply that says nothing, or 0, is priced by its tokens.
    """
    counted = read_usage(usage, "", Retention.SHORT)
    charged = _nanodollars(usage, "cost")
    if usage.get("is_byok") is True:
        charged += _nanodollars(details(usage, "cost_details"), "upstream_inference_cost")
    return replace(counted, charged=charged)


def _nanodollars(told: Mapping[str, Any], name: str) -> int:
    """Rounded up, 0 where nothing is said. Raises UsageUnknown for what is no amount."""
    value = told.get(name)
    if value is None:
        return 0
    if type(value) not in (int, Decimal) or not Decimal(value).is_finite() or not 0 <= value < 1_000_000:
        raise UsageUnknown(f"{name} is {str(value)[:50]}")
    return int((Decimal(value) * NANO).to_integral_value(rounding=ROUND_CEILING))


def not_dearer(payload: dict[str, Any], model: Model, most_input: int) -> dict[str, Any]:
    """OpenRouter chooses among providers of one model at prices of their own: it is told the dearest that input up to
    `most_input` tokens was priced at (`provider.max_price`, USD per 1,000,000 tokens), or the client's own limit where
    that is lower. Raises RequestRefused.
    """
    ladders = model.ladders_ahead()
    steps = (step for ladder in ladders for step in ladder.steps if step.above_input_tokens < most_input)
    rates = [step.rates for step in steps] + [ladder.base for ladder in ladders]
    asked = fields.optional_object(payload.get("provider"), "provider")
    wanted = fields.optional_object(asked.get("max_price"), "provider.max_price")
    most = {
        "prompt": max(each.input for each in rates),
        "completion": max(each.output for each in rates),
        "request": max(each.request_fee for each in rates),
    }
    own = {kind: _lower(wanted.get(kind), amount) for kind, amount in most.items()}
    return {**payload, "provider": {**asked, "max_price": {**wanted, **own}}}


def _lower(wanted: Any, nanodollars: int) -> str:
    """The lower of two prices, as a decimal string of dollars."""
    ours = Decimal(nanodollars) / NANO
    try:
        theirs = Decimal(str(wanted)) if wanted is not None else ours
    except ArithmeticError:
        theirs = ours
    return f"{min(ours, theirs) if theirs.is_finite() else ours:f}"
