"""Providers and the company's keys at them: one line each, with what was last heard of the key."""

from dataclasses import dataclass

from django.conf import settings
from django.http import Http404
from django.utils import timezone

from budgets.models import UsageRecord
from tenants.models import KeyMode, ProviderCredential, Tenant
from tenants.providers import BY_ID, CUSTOM, PROVIDERS, Provider, title_of, usual
from tokonomics.api.provider_check import ProviderCheck
from tokonomics.console import presentation as show
from tokonomics.console import words

_REFUSING = (401, 403)


@dataclass(frozen=True, slots=True)
class Row:
    """`tone` of what was heard: `act` good, `warn` bad, empty for neither. `reached_at`: where it is not the usual.
    `models`: how its models are called, where they have a prefix."""

    provider: str
    name: str
    credential: ProviderCredential | None
    heard: str
    tone: str
    reached_at: str
    models: str

    @property
    def is_refused(self) -> bool:
        return self.tone == "warn"


def rows(tenant: Tenant) -> list[Row]:
    """Those whose models need no prefix, whose keys are stored, and the company's own."""
    stored = {each.provider: each for each in tenant.provider_credentials.select_related("created_by")}
    known = [each.id for each in PROVIDERS if each.id in stored or not each.prefixed]
    own = sorted(stored.keys() - BY_ID.keys())
    return [_row(tenant, provider, stored.get(provider)) for provider in [*known, *own]]


def further(tenant: Tenant) -> list[Provider]:
    """Those that a key can be added for, beside the rows."""
    stored = set(tenant.provider_credentials.values_list("provider", flat=True))
    return [each for each in PROVIDERS if each.prefixed and each.id not in stored]


def name_of(provider: str, tenant: Tenant) -> str:
    """Raises Http404 for a provider that this installation does not know, and that is none of the company's own."""
    if provider == CUSTOM:
        return "an endpoint of your own"
    if provider not in BY_ID and not tenant.provider_credentials.filter(provider=provider).exists():
        raise Http404
    return title_of(provider)


def _row(tenant: Tenant, provider: str, credential: ProviderCredential | None) -> Row:
    name, elsewhere = title_of(provider), _elsewhere(provider, credential)
    models = f"{provider}/…" if provider not in BY_ID or BY_ID[provider].prefixed else ""
    heard, tone = _heard(tenant, name, credential)
    return Row(provider, name, credential, heard, tone, elsewhere, models)


def _elsewhere(provider: str, credential: ProviderCredential | None) -> str:
    if credential is not None and credential.base_url:
        return credential.base_url
    url = str(settings.PROVIDER_BASE_URLS.get(provider, "")).rstrip("/")
    return "" if url == usual(provider) else url


def _heard(tenant: Tenant, name: str, credential: ProviderCredential | None) -> tuple[str, str]:
    if credential is None:
        return "no key stored", ""
    if (status := _refused_since(tenant, credential)) is not None:
        return words.provider_refused(name, status), "warn"
    if credential.tested_at is None:
        return "not tested yet", ""
    tone = {True: "act", False: "warn", None: ""}[credential.test_ok]
    if not credential.test_ok:
        return credential.test_result, tone
    return f"tested {show.moment(credential.tested_at, timezone.now())}: {credential.test_result}", tone


def _refused_since(tenant: Tenant, credential: ProviderCredential) -> int | None:
    """The status with which the provider refused the key at its last live request, where that is the latest news."""
    last = UsageRecord.objects.filter(tenant=tenant, mode=KeyMode.LIVE, provider=credential.provider).first()
    known = credential.tested_at or credential.created_at
    if last is None or last.http_status not in _REFUSING or last.settled_at < known:
        return None
    return last.http_status


def told(found: ProviderCheck, provider: str, milliseconds: int) -> str:
    """What a test said, as the row keeps it: what was done, how long it took, what it cost."""
    if found.ok and found.models is None:
        return f"took the key in {show.took(milliseconds)}, $0.00"
    if found.ok:
        models = show.counted(found.models or 0, "model")
        return f"listed {models} in {show.took(milliseconds)}, $0.00"
    if found.refused and found.http_status is not None:
        return words.provider_refused(title_of(provider), found.http_status)
    return found.message
