"""Forms of a provider's key: the key alone, Azure's resource with its deployments, an endpoint of the company's own."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms

from tenants.models import ProviderCredential
from tenants.providers import AZURE, is_custom
from tokonomics.console.forms import ConsoleForm

_KEPT = "Kept encrypted. After this page, only its last four characters are ever shown."
_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


class SecretField(forms.CharField):
    def __init__(self, **rest: Any) -> None:
        attributes = {"autocomplete": "off", "spellcheck": "false"}
        sentence = "Paste the provider's whole key."
        super().__init__(
            label="Key",
            widget=forms.PasswordInput(attrs=attributes),
            error_messages={"required": sentence},
            help_text=_KEPT,
            **rest,
        )


class ProviderForm(ConsoleForm):
    """What `tenants.services.set_provider_credential` takes."""

    secret = SecretField()

    def __init__(self, *args: Any, stored: ProviderCredential | None = None, **rest: Any) -> None:
        super().__init__(*args, initial=_initial(stored), **rest)
        self.stored = stored
        if stored is not None and stored.base_url:
            self.fields["secret"].required = False
            self.fields["secret"].help_text = f"{_KEPT} Leave it empty to keep the one that is stored."

    @property
    def place(self) -> dict[str, Any]:
        """All but the secret."""
        return {name: value for name, value in self.cleaned_data.items() if name != "secret"}

    @property
    def keeps_secret(self) -> bool:
        """Whether the stored key stays: none was typed, and the form says what that means."""
        return self.stored is not None and not self.cleaned_data["secret"]


class DeploymentsField(forms.CharField):
    """`chat-prod = gpt-4o`, one a line -> {"chat-prod": "gpt-4o"}."""

    _SENTENCE = "Write one deployment a line, with the model that runs there, like: chat-prod = gpt-4o"

    def __init__(self, **rest: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 4, **_PLAIN})
        super().__init__(max_length=40_000, widget=widget, error_messages={"required": self._SENTENCE}, **rest)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(f"{name} = {model}" for name, model in value.items()) if isinstance(value, Mapping) else value

    def to_python(self, value: Any) -> Any:
        found: dict[str, str] = {}
        for line in (super().to_python(value) or "").splitlines():
            if not line.strip():
                continue
            pair = re.fullmatch(r"\s*([^=:\s]+)\s*[=:]\s*(\S+)\s*", line)
            if pair is None or pair[1] in found:
                raise forms.ValidationError(self._SENTENCE)
            found[pair[1]] = pair[2]
        return found

    def validate(self, value: Any) -> None:
        if not value:
            raise forms.ValidationError(self._SENTENCE)

    def run_validators(self, value: Any) -> None:
        """The length was of the text; the service looks at each name."""


class AzureForm(ProviderForm):
    base_url = forms.CharField(
        label="Resource",
        max_length=500,
        widget=forms.URLInput(attrs=_PLAIN),
        help_text="Its endpoint, as Azure's portal shows it: https://your-resource.openai.azure.com",
        error_messages={"required": "Enter the resource's endpoint, like https://your-resource.openai.azure.com"},
    )
    secret = SecretField()
    api_version = forms.CharField(
        label="API version",
        max_length=32,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "2024-10-21", **_PLAIN}),
        help_text="Leave it empty for Azure's v1 API.",
    )
    deployments = DeploymentsField(
        label="Deployments",
        help_text="One a line: its name, and the model whose price it has. chat-prod = gpt-4o",
    )
    field_order = ("base_url", "secret", "api_version", "deployments")


class CustomForm(ProviderForm):
    name = forms.CharField(
        label="Name",
        max_length=32,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text="Your apps put it before the model: vllm/llama-3.3-70b",
        error_messages={"required": "Name the endpoint, like vllm or house-llama."},
    )
    base_url = forms.CharField(
        label="Address",
        max_length=500,
        widget=forms.URLInput(attrs={"placeholder": "https://llm.example.com/v1", **_PLAIN}),
        help_text="What you would give an OpenAI client as its base URL.",
        error_messages={"required": "Enter the endpoint's address, like https://llm.example.com/v1."},
    )
    secret = SecretField(required=False)
    field_order = ("name", "base_url", "secret")

    def __init__(self, *args: Any, stored: ProviderCredential | None = None, **rest: Any) -> None:
        super().__init__(*args, stored=stored, **rest)
        if stored is not None:
            del self.fields["name"]  # requests and prices go by it


def form_for(provider: str) -> type[ProviderForm]:
    if provider == AZURE.id:
        return AzureForm
    return CustomForm if is_custom(provider) else ProviderForm


def _initial(stored: ProviderCredential | None) -> dict[str, Any]:
    if stored is None:
        return {}
    return {name: getattr(stored, name) for name in ("base_url", "api_version", "deployments")}
