"""The newcomer's five lines, each of which knows whether it is done."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from budgets.models import Cap, Crossing, UsageRecord
from tenants.models import ApiKey, KeyMode, ProviderCredential, Tenant
from tenants.roles import Action, may
from tokonomics.console import playground


@dataclass(frozen=True, slots=True)
class Step:
    """`may`: whether this role can do it; `href`: where it is done, below the company's address."""

    key: str
    title: str
    done: bool
    why: str
    href: str
    may: bool


@dataclass(frozen=True, slots=True)
class Progress:
    steps: tuple[Step, ...]

    @property
    def done(self) -> int:
        return sum(step.done for step in self.steps)

    @property
    def finished(self) -> bool:
        return self.done == len(self.steps)

    @property
    def next(self) -> Step | None:
        """The first line that is not done: the one that is open."""
        return next((step for step in self.steps if not step.done), None)


def progress(tenant: Tenant, role: str) -> Progress:
    """One query."""
    return Progress(tuple(_steps(_facts(tenant), role)))


def _facts(tenant: Tenant) -> dict[str, bool]:
    mine = {"tenant": OuterRef("pk")}
    live, test = KeyMode.LIVE, KeyMode.TEST
    asked = {
        "budget": Cap.objects.filter(**mine, api_key=None, mode=live),
        "test_key": ApiKey.objects.filter(**mine, mode=test).exclude(name=playground.NAME),
        "wall": Crossing.objects.filter(**mine, cap__mode=test, threshold_percent=100),
        "provider": ProviderCredential.objects.filter(**mine),
        "first": UsageRecord.objects.filter(**mine, mode=live).order_by(),
    }
    found = {f"has_{name}": Exists(rows) for name, rows in asked.items()}
    row = Tenant.objects.filter(pk=tenant.pk).order_by().values(**found).get()
    return {name: bool(row[name]) for name in found}  # type: ignore[literal-required]


def _steps(facts: dict[str, bool], role: str) -> list[Step]:
    return [
        Step(
            "budget",
            "Set a monthly budget",
            facts["has_budget"],
            "The amount that no month may pass. Live keys answer once it is set.",
            "start/",
            may(role, Action.CHANGE_BUDGET),
        ),
        Step(
            "test-key",
            "Make a test key",
            facts["has_test_key"],
            "Test keys go to the sandbox: real prices, a test budget of their own, and no provider is paid.",
            "onboarding/#test-key",
            may(role, Action.MANAGE_OWN_KEYS),
        ),
        Step(
            "wall",
            "Hit the cap on purpose",
            facts["has_wall"],
            "See the refusal that your app would get, word for word, before it matters.",
            "onboarding/#wall",
            may(role, Action.MANAGE_OWN_KEYS),
        ),
        Step(
            "provider",
            "Store a provider key",
            facts["has_provider"],
            "Live requests go out with it. It is kept encrypted; your apps never see it.",
            "settings/providers/",
            may(role, Action.MANAGE_PROVIDERS),
        ),
        Step(
            "first",
            "Send the first live request",
            facts["has_first"],
            "Change the base URL and the key in one app. The rest stays as it is.",
            "onboarding/#first",
            may(role, Action.MANAGE_OWN_KEYS),
        ),
    ]
