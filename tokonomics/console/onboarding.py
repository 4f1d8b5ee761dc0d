"""The newcomer's five lines, each of which knows whether it is done."""

from dataclasses import dataclass, replace

from django.db.models import Exists, OuterRef

from budgets.models import Cap, Crossing, UsageRecord
from tenants.models import ApiKey, KeyMode, ProviderCredential, Tenant
from tenants.roles import Action, may
from tokonomics.console import playground


@dataclass(frozen=True, slots=True)
class Step:
    """`href`: where it is done, below the company's address; `needs`: what it takes; `may`: whether this role can."""

    key: str
    title: str
    why: str
    href: str
    needs: Action
    done: bool = False
    may: bool = False


_STEPS = (
    Step(
        "budget",
        "Set a monthly budget",
        "The amount that no month may pass. Live keys answer once it is set.",
        "start/",
        Action.CHANGE_BUDGET,
    ),
    Step(
        "test-key",
        "Make a test key",
        "Test keys go to the sandbox: real prices, a test budget of their own, and no provider is paid.",
        "onboarding/#test-key",
        Action.MANAGE_OWN_KEYS,
    ),
    Step(
        "wall",
        "Hit the cap on purpose",
        "See the refusal that your app would get, word for word, before it matters.",
        "onboarding/#wall",
        Action.MANAGE_OWN_KEYS,
    ),
    Step(
        "provider",
        "Store a provider key",
        "Live requests go out with it. It is kept encrypted; your apps never see it.",
        "settings/providers/",
        Action.MANAGE_PROVIDERS,
    ),
    Step(
        "first",
        "Send the first live request",
        "Change the base URL and the key in one app. The rest stays as it is.",
        "onboarding/#first",
        Action.MANAGE_OWN_KEYS,
    ),
)


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
    done = _done(tenant)
    return Progress(tuple(replace(step, done=done[step.key], may=may(role, step.needs)) for step in _STEPS))


def _done(tenant: Tenant) -> dict[str, bool]:
    """By the steps' keys: whether there is a row that shows it."""
    mine = {"tenant": OuterRef("pk")}
    live, test = KeyMode.LIVE, KeyMode.TEST
    shown_by = {
        "budget": Cap.objects.filter(**mine, api_key=None, mode=live),
        "test-key": ApiKey.objects.filter(**mine, mode=test).exclude(name=playground.NAME),
        "wall": Crossing.objects.filter(**mine, cap__mode=test, threshold_percent=100),
        "provider": ProviderCredential.objects.filter(**mine),
        "first": UsageRecord.objects.filter(**mine, mode=live).order_by(),
    }
    found = Tenant.objects.filter(pk=tenant.pk).order_by().values_list(*map(Exists, shown_by.values())).get()
    return dict(zip(shown_by, map(bool, found), strict=True))
