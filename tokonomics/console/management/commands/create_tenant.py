"""`manage.py create_tenant`: a company with its owner, budget, providers and keys, while the product runs."""

import json
from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from budgets.money import InvalidAmount, format_usd, parse_usd
from tenants.checks import require_secrets
from tenants.errors import PolicyUnavailable, TenantError
from tokonomics.console.services import ReadyTenant, TenantOrder, create_tenant

START_FIRST = (
    "Start Tokonomics first: `make run`. If it runs with a data directory of its own, set TOKONOMICS_DATA_DIR to that."
)


class Command(BaseCommand):
    help = "Create a company with its owner, budget, provider keys and API keys: all of it, or on bad input nothing."
    requires_system_checks = []  # `require_secrets` asks for what matters here, and answers in a sentence

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="the company's name")
        parser.add_argument("--owner-email", required=True, help="its owner; a person with an account keeps it")
        parser.add_argument("--owner-password", help="the owner's password, if there is none yet")
        parser.add_argument("--monthly-cap", metavar="USD", help="budget a month, like 49 or 1200.50; 0 refuses all")
        parser.add_argument(
            "--hard-cap", action=BooleanOptionalAction, help="refuse what would break the budget (the default), or not"
        )
        parser.add_argument(
            "--provider", action="append", default=[], metavar="NAME=KEY", help="a provider's key, like openai=sk-..."
        )
        parser.add_argument("--key-name", default="default", help="name of the API key (default)")
        parser.add_argument("--key-cap", metavar="USD", help="cap a month of each key that is made")
        parser.add_argument("--test-key", action="store_true", help="make a test key too: it goes to the sandbox")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            require_secrets()
            ready = create_tenant(order_of(options))
        except (ImproperlyConfigured, PolicyUnavailable) as error:
            raise CommandError(f"{error} {START_FIRST}") from error
        except (InvalidAmount, TenantError) as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(f"The database cannot be used: {error}. {START_FIRST}") from error
        self.stdout.write(json.dumps(facts(ready)) if options["json"] else in_words(ready))


def order_of(options: dict[str, Any]) -> TenantOrder:
    """Raises InvalidAmount and CommandError."""
    if options["monthly_cap"] is None and options["hard_cap"] is False:
        raise CommandError("--no-hard-cap says what happens at --monthly-cap: give that too.")
    return TenantOrder(
        name=options["name"],
        owner_email=options["owner_email"],
        owner_password=options["owner_password"],
        monthly_cap=_amount(options["monthly_cap"], "--monthly-cap"),
        hard=options["hard_cap"] is not False,
        providers=_providers(options["provider"]),
        key_name=options["key_name"],
        key_cap=_amount(options["key_cap"], "--key-cap"),
        test_key=options["test_key"],
    )


def _amount(text: str | None, option: str) -> int | None:
    return None if text is None else parse_usd(text, decimals=9, what=option)


def _providers(pairs: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, separator, secret = pair.partition("=")
        if not separator or name not in settings.PROVIDER_BASE_URLS:
            known = ", ".join(settings.PROVIDER_BASE_URLS)
            raise CommandError(
                f"--provider takes NAME=KEY, like openai=sk-..., where NAME is one of {known}. Azure, and endpoints of "
                "the company's own, are added under Providers or by the API: they need an address."
            )
        if name in found:
            raise CommandError(f"--provider {name} is given twice.")
        found[name] = secret
    return found


def facts(ready: ReadyTenant) -> dict[str, str]:
    """The object of `--json`."""
    said = {
        "tenant": ready.tenant.slug,
        "tenant_id": ready.tenant.pk,
        "api_key": ready.api_key.secret,
        "api_key_id": ready.api_key.key.pk,
        "management_token": ready.management_token.secret,
    }
    if ready.test_api_key is not None:
        said |= {"test_api_key": ready.test_api_key.secret, "test_api_key_id": ready.test_api_key.key.pk}
    return said


def in_words(ready: ReadyTenant) -> str:
    tenant = ready.tenant
    cap = tenant.caps.filter(api_key=None, mode="live").first()
    if cap is None:
        budget = "none yet: live keys are refused until there is one"
    else:
        budget = f"${format_usd(cap.amount)}, " + ("hard: nothing passes it" if cap.hard else "only alerts")
    lines = [
        f"{tenant.name} is ready at /t/{tenant.slug}/.",
        "",
        f"Budget a month    {budget}",
        f"API key           {ready.api_key.secret}",
    ]
    if ready.test_api_key is not None:
        lines.append(f"Test API key      {ready.test_api_key.secret}")
    lines += [
        f"Management token  {ready.management_token.secret}",
        "",
        "Copy the keys and the token now. They are shown this once; we keep only fingerprints.",
    ]
    return "\n".join(lines)
