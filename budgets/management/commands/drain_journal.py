"""`manage.py drain_journal`: make rows of a company's journal, and say which entry stops it, if one does: exit 1."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from budgets import stuck
from budgets.money import format_usd
from tenants.audit import Actor
from tenants.models import Tenant
from tenants.store import StoreUnavailable


class Command(BaseCommand):
    help = (
        "Write what waits in the journal of one company. Where an entry cannot be written, show it, and with "
        "--set-aside keep its bytes in the database and go on behind it: the money that it moved stays spent."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tenant", help="its id or slug")
        parser.add_argument("--set-aside", metavar="ENTRY", help="the entry that was shown, by its id")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(Q(pk=options["tenant"]) | Q(slug=options["tenant"])).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.", returncode=2)
        entry_id, kept = options["set_aside"], None
        try:
            if entry_id:
                kept = stuck.set_aside(tenant=tenant, entry_id=entry_id, actor=Actor.operator())
            found = stuck.look(tenant.pk)
        except StoreUnavailable as error:
            raise CommandError(f"The spending ledger cannot be reached: {error}", returncode=2) from error
        except stuck.NotStuck as error:
            raise CommandError(f"Nothing was set aside: {error}.", returncode=2) from error
        result: dict[str, Any] = {"tenant_id": tenant.pk, "set_aside": None, "stuck": None}
        if kept is not None:
            cost = None if kept.cost is None else format_usd(kept.cost)
            result["set_aside"] = {"entry": kept.entry_id, "cost_usd": cost, "has_row": kept.has_row}
        if found is not None:
            fields = {name.decode(errors="replace"): _shown(value) for name, value in found.fields.items()}
            result["stuck"] = {"entry": found.entry_id, "why": found.why, "behind": found.behind, "fields": fields}
        self.stdout.write(json.dumps(result) if options["json"] else "\n".join(_lines(result)))
        if found is not None:
            sys.exit(1)


def _shown(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _lines(result: dict[str, Any]) -> list[str]:
    lines, kept, found = [], result["set_aside"], result["stuck"]
    if kept is not None:
        cost = f"${kept['cost_usd']}" if kept["cost_usd"] is not None else "what it cost cannot be read"
        row = "a row with the flag set_aside stands for it" if kept["has_row"] else "no row could be made of it"
        lines.append(f"Entry {kept['entry']} is set aside: {cost}, {row}.")
    if found is None:
        return [*lines, "Everything is written."]
    lines += [f"Stuck at {found['why']}", *(f"  {name}: {value}" for name, value in found["fields"].items())]
    return [*lines, f"{found['behind']} wait behind it. --set-aside {found['entry']} keeps it and goes on."]
