"""`manage.py audit_ledger`: Redis against the ledger, live. Exit 1 where they differ (after `--mend`: where they still
do)."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from budgets import auditing, journal
from budgets.auditing import Audit, ScopeAudit
from budgets.money import format_usd
from tenants.models import Tenant
from tenants.services import Actor
from tenants.store import StoreUnavailable
from tokonomics.console import drift
from tokonomics.console.drift import Difference


class Command(BaseCommand):
    help = "Compare the counters in Redis with the ledger, and mend them on request."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="one tenant, by id or slug; all of them if left out")
        parser.add_argument("--mend", action="store_true", help="move each counter by the difference found, then look")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = _tenants(options["tenant"])
        try:
            moved = [one for tenant in tenants for one in self._mended(tenant)] if options["mend"] else None
            audits = [auditing.audit(tenant.pk) for tenant in tenants]
        except StoreUnavailable as error:
            raise CommandError(f"The spending ledger cannot be reached: {error}", returncode=2) from error
        except journal.Stuck as error:
            raise CommandError(f"{error}. See manage.py drain_journal {error.tenant_id}", returncode=2) from error
        self._report(audits, moved, as_json=options["json"])
        if not all(audit.ok for audit in audits):
            sys.exit(1)

    @staticmethod
    def _mended(tenant: Tenant) -> list[Difference]:
        return drift.mend(tenant, Actor.operator())

    def _report(self, audits: list[Audit], moved: list[Difference] | None, *, as_json: bool) -> None:
        rows = [_row(scope) for audit in audits for scope in audit.scopes if _worth_showing(scope)]
        result: dict[str, Any] = {
            "ok": all(audit.ok for audit in audits),
            "open_holds": sum(len(audit.open_holds) for audit in audits),
            "journal_lag": sum(audit.journal_lag for audit in audits),
            "end_user_counters": sum(audit.end_users for audit in audits),
            "set_aside_without_row": sum(audit.set_aside for audit in audits),
            "scopes": rows,
        }
        if moved is not None:
            result["mended"] = [_moved(one) for one in moved]
        if as_json:
            self.stdout.write(json.dumps(result))
            return
        for one in moved or []:
            line = "{tenant_id}  {scope:24} {window:10}  MOVED: spent by {spent}, held by {held} n$"
            self.stdout.write(line.format(**_moved(one)))
        for row in rows:
            line = (
                "{tenant_id}  {scope:24} {window:10}  "
                "Redis ${redis_spent_usd}  ledger ${ledger_spent_usd}  held ${held_usd}"
            )
            differs = "" if row["ok"] else "  DIFFERS: spent by {spent_off}, held by {held_off} n$"
            self.stdout.write((line + differs).format(**row))
        if result["set_aside_without_row"]:
            count = result["set_aside_without_row"]
            self.stdout.write(f"{count} journal entries were set aside without a row: what they moved is a difference.")
        state = "Redis equals the ledger" if result["ok"] else "Redis differs from the ledger"
        self.stdout.write(f"{state}. {result['open_holds']} open holds, {result['journal_lag']} entries to drain.")


def _tenants(name: str | None) -> list[Tenant]:
    tenants = Tenant.objects.order_by("created_at")
    if name is None:
        return list(tenants)
    found = list(tenants.filter(Q(pk=name) | Q(slug=name)))
    if not found:
        raise CommandError(f"There is no tenant {name!r}.", returncode=2)
    return found


def _worth_showing(scope: ScopeAudit) -> bool:
    return not scope.ok or bool(scope.redis_spent or scope.ledger_spent or scope.redis_held)


def _row(scope: ScopeAudit) -> dict[str, Any]:
    return {
        "tenant_id": scope.tenant_id,
        "scope": scope.place.scope,
        "window": scope.place.window.suffix,
        "redis_spent_usd": format_usd(scope.redis_spent),
        "ledger_spent_usd": format_usd(scope.ledger_spent),
        "held_usd": format_usd(scope.redis_held),
        "difference_nanodollars": scope.difference,
        "spent_off": scope.redis_spent - scope.ledger_spent,
        "held_off": scope.redis_held - scope.expected_held,
        "ok": scope.ok,
    }


def _moved(one: Difference) -> dict[str, Any]:
    """By how much each was moved, nanodollars."""
    return {
        "tenant_id": one.tenant_id,
        "scope": one.scope,
        "window": one.window,
        "spent": one.ledger_spent - one.redis_spent,
        "held": one.expected_held - one.redis_held,
    }
