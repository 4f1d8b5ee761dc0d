"""What the golden table's replies cost by LiteLLM's calculator, beside what they cost here.

    python -m benchmarks.price_check            # prints a table of the differences, each explained
    python -m benchmarks.price_check --save     # writes it into docs/bounds.md

LiteLLM is installed by `make bench` in an environment of its own, and asked in a process of its own there. It reckons
in floats, so amounts are compared to a ten-millionth of a cent. A difference without an explanation is an error.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.targets.base import CACHE
from budgets.money import format_usd
from budgets.pricing.cost import cost
from tests.budgets.pricing.golden import EXAMPLES, Example

PYTHON = CACHE / "litellm" / "bin" / "python"
CALCULATOR = Path(__file__).parent / "price_check_litellm.py"
PAGE = Path("docs/bounds.md")
BEGIN, END = "<!-- price check: written by `python -m benchmarks.price_check --save` -->", "<!-- price check ends -->"
TOLERANCE = 1  # nanodollars: floats, and our rounding up

# How LiteLLM names a model, where that is not `<provider>/<model>`.
_PREFIXES = {"openai": "", "anthropic": "", "gemini": "gemini/", "together": "together_ai/"}
_NAMES = {"gpt-5.6": "gpt-5.6-sol"}
_TIERS = {"standard": "", "01:00-04:00 UTC": ""}

# Why the two differ, by provider, part of the model's name, and what the usage or the tier has. The first fit counts.
_FEES = "its calculator of tokens leaves the fee of searches and requests out"
_UNLISTED = "not in its list"
_BATCH = "it halves the price only for jobs that it runs itself"
EXPLAINED: tuple[tuple[str, str, str, str], ...] = (
    ("openai", "", "web_searches", _FEES),
    ("anthropic", "", "web_searches", _FEES),
    ("gemini", "", "web_searches", _FEES),
    ("perplexity", "", "", _FEES),
    ("openai", "", "batch", _BATCH),
    ("anthropic", "", "batch", _BATCH),
    ("openai", "gpt-6.1-terra", "", _UNLISTED),
    ("groq", "llama-3", "", _UNLISTED),
    ("xai", "grok-4", "", _UNLISTED),
    ("openrouter", "", "", _UNLISTED),
    ("anthropic", "claude-2", "", _UNLISTED),
    ("anthropic", "claude-3-haiku", "", _UNLISTED),
    ("anthropic", "claude-opus-4-1", "", "retired: in its list for Bedrock only, so it reckons 0"),
    ("anthropic", "", "fast", "it takes a speed from the reply, not from the tier"),
    (
        "anthropic",
        "claude-sonnet-4-5",
        "",
        "its list has no price for more than 200,000 tokens of input, which the model "
        "takes with a beta header that is not passed on here",
    ),
    (
        "openai",
        "gpt-4o-transcribe",
        "",
        "OpenAI's pages disagree about sound: $6.00 (pricing), $2.50 (the model's); the dearer counts here",
    ),
    (
        "gemini",
        "gemini-2.5-flash",
        "audio_cache_read_tokens",
        "it takes cached sound for sound at the full rate, and for text that it then does not charge",
    ),
    ("deepseek", "", "", "it takes the hours from the clock, at whichever time it is asked"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    example: Example
    ours: int
    theirs: float | None
    """Nanodollars; None where LiteLLM has no price, or fails."""
    why: str

    @property
    def equal(self) -> bool:
        return self.theirs is not None and abs(self.ours - self.theirs) <= TOLERANCE


def question(example: Example) -> dict[str, Any]:
    """In LiteLLM's terms: input counts hold cached, audio and picture tokens; writes are told apart."""
    usage = example.usage
    model = _NAMES.get(example.name, example.name)
    prefix = _PREFIXES.get(example.provider, f"{example.provider}/")
    return {
        "model": prefix + model,
        "tier": _TIERS.get(example.tier, example.tier),
        "input": usage.total_input_tokens,
        "output": usage.total_output_tokens,
        "cached": usage.cache_read_tokens + usage.audio_cache_read_tokens,
        "written_5m": usage.cache_write_5m_tokens,
        "written_1h": usage.cache_write_1h_tokens,
        "audio_in": usage.audio_input_tokens + usage.audio_cache_read_tokens,
        "audio_out": usage.audio_output_tokens,
        "image_in": usage.image_input_tokens,
        "image_out": usage.image_output_tokens,
        "reasoning": usage.reasoning_tokens,
        "searches": usage.web_searches,
        "characters": usage.characters,
        "milliseconds": usage.milliseconds,
    }


def ask(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each answer has `usd`, or `error`."""
    done = subprocess.run(
        [PYTHON, CALCULATOR], input=json.dumps(questions), capture_output=True, text=True, timeout=300, check=True
    )
    answers: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return answers


def findings() -> list[Finding]:
    answers = ask([question(example) for example in EXAMPLES])
    return [_finding(example, answer) for example, answer in zip(EXAMPLES, answers, strict=True)]


def _finding(example: Example, answer: dict[str, Any]) -> Finding:
    theirs = None if answer.get("error") else answer["usd"] * 1e9
    ours = cost(example.model(), example.usage, example.tier)
    return Finding(example, ours, theirs, _why(example))


def _why(example: Example) -> str:
    has = {example.tier, *example.usage.counts()}
    for provider, name, kind, reason in EXPLAINED:
        if example.provider == provider and name in example.name and (not kind or kind in has):
            return reason
    return ""


def table(found: list[Finding]) -> str:
    different = [each for each in found if not each.equal]
    rows = [
        f"| {each.example} | {format_usd(each.ours)} | {_usd(each.theirs)} | {each.why or '**unexplained**'} |"
        for each in different
    ]
    head = [
        f"{len(found) - len(different)} of {len(found)} examples cost the same by LiteLLM {_version()}. The others:",
        "",
        "| reply | here, USD | LiteLLM | why |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows])


def _usd(nanodollars: float | None) -> str:
    return "no price" if nanodollars is None else f"{nanodollars / 1e9:.9f}".rstrip("0")


def _version() -> str:
    found = next((CACHE / "litellm" / "lib").glob("python3*/site-packages/litellm-*.dist-info"))
    return found.name.removeprefix("litellm-").removesuffix(".dist-info")


def save(text: str) -> None:
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    if not PYTHON.exists():
        print("LiteLLM is not installed; `make bench` does that.", file=sys.stderr)
        return 2
    found = findings()
    text = table(found)
    print(text)
    if options.save:
        save(text)
    return 1 if any(not each.equal and not each.why for each in found) else 0


if __name__ == "__main__":
    sys.exit(main())
