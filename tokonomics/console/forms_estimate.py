"""The form of a dry run: which key would send what to where. Examples of each wire format to begin with."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

from tenants.models import ApiKey, KeyMode
from tokonomics.console.forms import ConsoleForm

MOST_BODY = 1_000_000
"""Bytes, as at `estimate/`."""
_HEADER = re.compile(r"([A-Za-z0-9-]{1,80}):[ \t]*([^\r\n]*)")
_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


@dataclass(frozen=True, slots=True)
class Example:
    id: str
    label: str
    endpoint: str
    body: str


EXAMPLES = (
    Example(
        "chat",
        "Chat Completions",
        "/v1/chat/completions",
        '{\n  "model": "gpt-4o-mini",\n  "messages": [\n    {"role": "user", "content": "Say hello."}\n  ]\n}',
    ),
    Example(
        "responses",
        "Responses",
        "/v1/responses",
        '{\n  "model": "gpt-4o-mini",\n  "input": "Say hello.",\n  "max_output_tokens": 400\n}',
    ),
    Example(
        "messages",
        "Messages",
        "/v1/messages",
        '{\n  "model": "claude-haiku-4-5",\n  "max_tokens": 400,\n'
        '  "messages": [\n    {"role": "user", "content": "Say hello."}\n  ]\n}',
    ),
    Example(
        "gemini",
        "Gemini",
        "/v1beta/models/gemini-2.5-flash:generateContent",
        '{\n  "contents": [\n    {"role": "user", "parts": [{"text": "Say hello."}]}\n  ],\n'
        '  "generationConfig": {"maxOutputTokens": 400}\n}',
    ),
    Example(
        "embeddings",
        "Embeddings",
        "/v1/embeddings",
        '{\n  "model": "text-embedding-3-small",\n  "input": "Say hello."\n}',
    ),
)


class HeadersField(forms.CharField):
    """One header a line, `X-Tokonomics-User: ada` -> a mapping."""

    def to_python(self, value: Any) -> Any:
        headers: dict[str, str] = {}
        for line in (super().to_python(value) or "").splitlines():
            if not line.strip():
                continue
            if (found := _HEADER.fullmatch(line.strip())) is None:
                raise forms.ValidationError("Write one header a line, like X-Tokonomics-User: ada.")
            headers[found[1]] = found[2]
        return headers

    def run_validators(self, value: Any) -> None:
        """The length was of the text."""


class EstimateForm(ConsoleForm):
    key = forms.ChoiceField(
        label="Key that would send it",
        error_messages={"required": "Choose a key.", "invalid_choice": "That key is gone. Choose another."},
    )
    endpoint = forms.CharField(
        label="Endpoint",
        max_length=300,
        widget=forms.TextInput(attrs={**_PLAIN, "list": "endpoints", "class": "mono"}),
        error_messages={"required": "Enter where it would be sent, like /v1/chat/completions."},
    )
    body = forms.CharField(
        label="Body",
        strip=False,
        widget=forms.Textarea(attrs={**_PLAIN, "rows": 12}),
        error_messages={"required": "Paste the request's body, the JSON that your app sends."},
    )
    headers = HeadersField(
        label="Headers", required=False, max_length=8_000, widget=forms.Textarea(attrs={**_PLAIN, "rows": 3})
    )

    def __init__(self, *args: Any, keys: Iterable[ApiKey], **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.fields["key"].choices = list(_choices(keys))  # type: ignore[attr-defined]

    def clean_endpoint(self) -> str:
        """A whole URL is taken for its path: it is what people have at hand."""
        return re.sub(r"^https?://[^/]+", "", str(self.cleaned_data["endpoint"]))

    def clean_body(self) -> bytes:
        body = str(self.cleaned_data["body"]).encode()
        if len(body) > MOST_BODY:
            raise forms.ValidationError("The body is over 1 MB. Estimate a shorter one.")
        return body


def _choices(keys: Iterable[ApiKey]) -> Iterable[tuple[str, list[tuple[str, str]]]]:
    by_mode: Mapping[str, list[tuple[str, str]]] = {mode: [] for mode in (KeyMode.LIVE.value, KeyMode.TEST.value)}
    for key in keys:
        by_mode[key.mode].append((key.pk, key.name + (", paused" if key.paused_at else "")))
    return [(f"{KeyMode(mode).label} keys", found) for mode, found in by_mode.items() if found]


def example_of(ident: str) -> Example:
    return next((each for each in EXAMPLES if each.id == ident), EXAMPLES[0])
