"""Many usage records into the database at once, as fast as it takes them.

Django's bulk_create asks every field of every row how it is written, which is most of what a drain would cost. Here a
field is asked only where its type differs between databases (dates, times, JSON); numbers and texts go as they are.
"""

from collections.abc import Iterable
from functools import cache
from operator import attrgetter
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models

from budgets.models import UsageRecord

_WRITTEN_BY_TYPE = (models.DateField, models.JSONField)  # a DateTimeField is a DateField


def insert(records: Iterable[UsageRecord]) -> None:
    """Rows that are not in the database yet. Raises IntegrityError where one is."""
    places, read = _layout()
    rows = [[*read(record)] for record in records]
    if not rows:
        return
    database = connections[DEFAULT_DB_ALIAS]  # not the proxy `connection`, which is looked up anew for each value
    for place, field in places:
        for row in rows:
            row[place] = field.get_db_prep_save(row[place], database)
    with database.cursor() as cursor:
        cursor.executemany(_statement(), rows)


@cache
def _layout() -> tuple[list[tuple[int, Any]], "attrgetter[Any]"]:
    """Which columns, by their place, are written by type; and what reads a row off a record."""
    fields = UsageRecord._meta.concrete_fields
    places = [(place, field) for place, field in enumerate(fields) if isinstance(field, _WRITTEN_BY_TYPE)]
    return places, attrgetter(*[str(field.attname) for field in fields])


@cache
def _statement() -> str:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    columns = [quote(str(field.column)) for field in UsageRecord._meta.concrete_fields]
    table, marks = quote(UsageRecord._meta.db_table), ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
