"""Forms of alerts: a channel, and a rule of each kind."""

from collections.abc import Sequence
from typing import Any

from django import forms

from alerts import channels as kinds
from alerts.ladder import EVERY_KIND
from alerts.models import AlertChannel, AlertRule, ChannelKind, RuleKind, RuleScope
from alerts.services import RuleChange
from budgets.windows import WindowKind
from tenants.models import ApiKey
from tokonomics.console import alert_words as words
from tokonomics.console.forms import AmountField, ConsoleForm

_HINTS = {
    ChannelKind.EMAIL: "One or several, with commas between. Each gets a mail of their own with a way out.",
    ChannelKind.SLACK: "Slack: Apps, Incoming Webhooks, Add to Slack. Kept encrypted and not shown again.",
    ChannelKind.WEBHOOK: "It gets signed JSON by POST. The secret to check it with is on the next page, once.",
    ChannelKind.DISCORD: "Channel settings, Integrations, Webhooks. Kept encrypted and not shown again.",
    ChannelKind.TEAMS: "Workflows: “Post to a channel when a webhook request is received”. Kept encrypted.",
    ChannelKind.PAGERDUTY: "Of a service's Events API v2 integration. Kept encrypted and not shown again.",
}
BUDGET, EVERY_KEY = "budget", "every_key"


class ChannelForm(ConsoleForm):
    """`channel` None: a new one. A target that is left empty stays as it is."""

    target = forms.CharField(max_length=6_000, widget=forms.TextInput(attrs={"spellcheck": "false"}))
    name = forms.CharField(label="Name", max_length=80, required=False)

    def __init__(self, *args: Any, kind: str, channel: AlertChannel | None = None, **rest: Any) -> None:
        super().__init__(*args, **rest)
        target = self.fields["target"]
        target.label, target.help_text = kinds.of(kind).asks_for, _HINTS[ChannelKind(kind)]
        target.required = channel is None or kind == ChannelKind.EMAIL
        target.error_messages["required"] = f"Enter the {_lower(kinds.of(kind).asks_for)}."
        if not target.required:
            target.help_text = "Paste another one to replace it. Left empty, it stays as it is."
        if kind == ChannelKind.EMAIL:
            target.widget.attrs |= {"autocapitalize": "none", "inputmode": "email", "class": "wide-input"}
        else:
            target.widget.attrs |= {"autocomplete": "off", "class": "wide-input"}
        self.fields["name"].help_text = "As these pages call it, like #llm-costs or the night shift."


class RuleForm(ConsoleForm):
    """One kind of rule; fields that it does not have are not there."""

    named = {"threshold_percent": "percent", "api_key": "about", "scope": "about", "channel_kinds": "hear"}
    named |= {"channels": "hear", "least_usd": "least"}

    percent = forms.CharField(
        label="Percentage",
        max_length=20,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"required": "Enter a percentage from 1 to 1,000, without decimals."},
    )
    about = forms.ChoiceField(label="About")
    window = forms.ChoiceField(
        label="Window",
        required=False,
        choices=[("", "Month and day, whichever has a cap"), (WindowKind.MONTH, "Month"), (WindowKind.DAY, "Day")],
    )
    factor = forms.IntegerField(
        label="Times its usual hour",
        min_value=2,
        max_value=1_000,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        help_text="By its average of the last week; a new key is measured by the company's.",
    )
    least = AmountField(label="And at least", what="the amount of an hour")
    pause = forms.BooleanField(label="Pause the key that causes it", required=False)
    hear = forms.MultipleChoiceField(
        label="Who hears of it",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one channel."},
    )
    mention = forms.BooleanField(label="Begin with @here on Slack and Discord", required=False)

    _ONLY = {
        RuleKind.THRESHOLD: ("percent", "window"),
        RuleKind.FORECAST: ("window",),
        RuleKind.BURN_RATE: ("factor", "least", "pause"),
    }

    def __init__(
        self, *args: Any, kind: str, keys: Sequence[ApiKey], channels: Sequence[AlertChannel], **rest: Any
    ) -> None:
        super().__init__(*args, **rest)
        self.kind = kind
        for names in self._ONLY.values():
            for name in names:
                if name not in self._ONLY[RuleKind(kind)]:
                    self.fields.pop(name, None)
        self._field("about").choices = _abouts(kind, keys)
        self._field("hear").choices = _hearers(channels, self.initial.get("hear", []))

    def _field(self, name: str) -> Any:
        return self.fields[name]

    def clean_percent(self) -> int:
        text = self.cleaned_data["percent"].strip().removesuffix("%").strip()
        if not (text.isascii() and text.isdigit()):
            raise forms.ValidationError("Enter a percentage from 1 to 1,000, without decimals.")
        return int(text)

    def change(self) -> RuleChange:
        """What the service is asked for."""
        given = self.cleaned_data
        about, hear = given["about"], given["hear"]
        asked: dict[str, Any] = {"kind": self.kind, "mention": given["mention"]}
        asked["api_key"] = None if about in (BUDGET, EVERY_KEY) else about
        if about == EVERY_KEY:
            asked["scope"] = RuleScope.EVERY_KEY
        asked["channels"] = [one for one in hear if not one.startswith("kind:")]
        asked["channel_kinds"] = [one.removeprefix("kind:") for one in hear if one.startswith("kind:")]
        columns = {"percent": "threshold_percent", "window": "window", "factor": "factor", "least": "least"}
        asked |= {columns[name]: given[name] for name in columns if name in given}
        if "pause" in given:
            asked["pause"] = given["pause"]
        return RuleChange(**asked)


def initial_of(rule: AlertRule) -> dict[str, Any]:
    about = {RuleScope.TENANT: BUDGET, RuleScope.EVERY_KEY: EVERY_KEY}.get(RuleScope(rule.scope), rule.api_key_id)
    return {
        "percent": rule.threshold_percent,
        "about": about,
        "window": rule.window,
        "factor": rule.factor,
        "least": rule.least,
        "pause": rule.pause,
        "mention": rule.mention,
        "hear": [*(f"kind:{kind}" for kind in rule.channel_kinds), *(each.pk for each in rule.channels.all())],
    }


def _abouts(kind: str, keys: Sequence[ApiKey]) -> list[tuple[str, Any]]:
    budget = [] if kind == RuleKind.BURN_RATE else [(BUDGET, "The company's budget")]
    each = "Each live key, by itself" if kind == RuleKind.BURN_RATE else "Each live key that has a cap"
    named = [(key.pk, key.name if key.mode == "live" else f"{key.name} (test)") for key in keys]
    return [*budget, (EVERY_KEY, each), *([("One key", named)] if named else [])]


def _hearers(channels: Sequence[AlertChannel], chosen: Sequence[str]) -> list[tuple[str, str]]:
    """Every channel, each by name, and all of a kind where there is one of it or the rule waits for one."""
    have = {channel.kind for channel in channels}
    kinds = [kind for kind in ChannelKind if kind.value in have or f"kind:{kind.value}" in chosen]
    return [
        (f"kind:{EVERY_KIND}", "Every channel, also later ones"),
        *((channel.pk, words.named(channel)) for channel in channels),
        *((f"kind:{kind.value}", f"Every {kind.label} channel, also later ones") for kind in kinds),
    ]


def _lower(label: str) -> str:
    return label if label.isupper() or label.startswith("URL") else label[0].lower() + label[1:]
