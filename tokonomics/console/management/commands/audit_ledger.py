"""`manage.py audit_ledger`: Redis against the ledger, live. Exit 1 where they differ."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from budgets import recovery
from budgets.money import format_usd
from budgets.recovery import Audit, ScopeAudit
from tenants.models import Tenant
from tenants.store import StoreUnavailable


class Command(BaseCommand):
    help = "Compare the counters in Redis with the ledger, and mend them on request."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", help="one tenant, by id or slug; all of them if left out")
        parser.add_argument("--mend", action="store_true", help="move each counter by the difference found")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            audits = [recovery.audit(tenant.pk) for tenant in _tenants(options["tenant"])]
            if options["mend"]:
                for audit in audits:
                    recovery.mend(audit)
        except StoreUnavailable as error:
            raise CommandError(f"The spending ledger cannot be reached: {error}", returncode=2) from error
        self._report(audits, as_json=options["json"], mended=options["mend"])
        if not all(audit.ok for audit in audits):
            sys.exit(1)

    def _report(self, audits: list[Audit], *, as_json: bool, mended: bool) -> None:
        rows = [_row(scope) for audit in audits for scope in audit.scopes if _worth_showing(scope)]
        result = {
            "ok": all(audit.ok for audit in audits),
            "open_holds": sum(len(audit.open_holds) for audit in audits),
            "journal_lag": sum(audit.journal_lag for audit in audits),
            "end_user_counters": sum(audit.end_users for audit in audits),
            "scopes": rows,
        }
        if as_json:
            self.stdout.write(json.dumps(result))
            return
        for row in rows:
            line = (
                "{tenant_id}  {scope:24} {window:10}  "
                "Redis ${redis_spent_usd}  ledger ${ledger_spent_usd}  held ${held_usd}"
            )
            self.stdout.write(
                line.format(**row) + ("" if row["ok"] else f"  DIFFERS by {row['difference_nanodollars']} n$")
            )
        state = (
            "Redis equals the ledger"
            if result["ok"]
            else "Redis differs from the ledger" + ("; each difference was mended, run it again" if mended else "")
        )
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
        "ok": scope.ok,
    }
