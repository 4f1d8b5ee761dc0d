"""Providers and the company's keys at them: one line each, with what was last heard of the key."""

from dataclasses import dataclass

from django.conf import settings
from django.http import Http404
from django.utils import timezone

from budgets.models import UsageRecord
from tenants.models import KeyMode, ProviderCredential, Tenant
from tokonomics.api.provider_check import ProviderCheck
from tokonomics.console import presentation as show
from tokonomics.console import words

NAMES = {"openai": "OpenAI", "anthropic": "Anthropic", "gemini": "Google Gemini"}
USUAL = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "gemini": "https://generativelanguage.googleapis.com",
}
_REFUSING = (401, 403)


@dataclass(frozen=True, slots=True)
class Row:
    """`tone` of what was heard: `act` good, `warn` bad, empty for neither. `reached_at`: where it is not the usual."""

    provider: str
    name: str
    credential: ProviderCredential | None
    heard: str
    tone: str
    reached_at: str

    @property
    def is_refused(self) -> bool:
        return self.tone == "warn"


def rows(tenant: Tenant) -> list[Row]:
    stored = {each.provider: each for each in tenant.provider_credentials.select_related("created_by")}
    return [_row(tenant, provider, stored.get(provider)) for provider in settings.PROVIDER_BASE_URLS]


def name_of(provider: str) -> str:
    """Raises Http404 for a provider that this installation does not know."""
    if provider not in settings.PROVIDER_BASE_URLS:
        raise Http404
    return NAMES.get(provider, provider)


def _row(tenant: Tenant, provider: str, credential: ProviderCredential | None) -> Row:
    name, url = name_of(provider), settings.PROVIDER_BASE_URLS[provider].rstrip("/")
    elsewhere = "" if url == USUAL.get(provider) else url
    if credential is None:
        return Row(provider, name, None, "no key stored", "", elsewhere)
    if (status := _refused_since(tenant, credential)) is not None:
        return Row(provider, name, credential, words.provider_refused(name, status), "warn", elsewhere)
    if credential.tested_at is None:
        return Row(provider, name, credential, "not tested yet", "", elsewhere)
    tone = {True: "act", False: "warn", None: ""}[credential.test_ok]
    heard = credential.test_result
    if not credential.test_ok:
        return Row(provider, name, credential, heard, tone, elsewhere)
    when = show.moment(credential.tested_at, timezone.now())
    return Row(provider, name, credential, f"tested {when}: {heard}", tone, elsewhere)


def _refused_since(tenant: Tenant, credential: ProviderCredential) -> int | None:
    """The status with which the provider refused the key at its last live request, where that is the latest news."""
    last = UsageRecord.objects.filter(tenant=tenant, mode=KeyMode.LIVE, provider=credential.provider).first()
    known = credential.tested_at or credential.created_at
    if last is None or last.http_status not in _REFUSING or last.settled_at < known:
        return None
    return last.http_status


def told(found: ProviderCheck, provider: str, milliseconds: int) -> str:
    """What a test said, as the row keeps it: what was done, how long it took, what it cost."""
    if found.ok:
        models = show.counted(found.models or 0, "model")
        return f"listed {models} in {show.took(milliseconds)}, $0.00"
    if found.refused and found.http_status is not None:
        return words.provider_refused(name_of(provider), found.http_status)
    return found.message
