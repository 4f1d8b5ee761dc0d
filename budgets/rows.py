"""Many usage records into the database at once, as fast as it takes them.

Django's bulk_create asks every field of every row how it is written, and makes a record of each first: most of what a
drain would cost. Here rows are plain dicts, and a column is asked only where databases differ (dates, times, JSON).
"""

from collections.abc import Callable, Collection
from datetime import UTC
from functools import cache
from operator import itemgetter
from typing import Any

import orjson
from django.db import DEFAULT_DB_ALIAS, connections, models

from budgets.entries import Facts
from budgets.models import UsageRecord

Written = Callable[[Any], Any]


def insert(rows: Collection[Facts]) -> None:
    """Rows that are not in the database yet, each with every column by its attribute's name. Raises IntegrityError
    where one is."""
    if not rows:
        return
    fields = UsageRecord._meta.concrete_fields
    read = itemgetter(*[str(field.attname) for field in fields])
    lines = [[*read(row)] for row in rows]
    for place, field in enumerate(fields):
        if (written := _written(field)) is not None:
            for line in lines:
                line[place] = written(line[place])
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.executemany(_statement(), lines)


def known(ids: Collection[str]) -> set[str]:
    """Which of these have a row already."""
    if not ids:
        return set()
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_question(len(ids)), [*ids])
        return {pk for (pk,) in cursor.fetchall()}


def _written(field: Any) -> Written | None:
    """How this database wants a column's values; None: as they are."""
    database = connections[DEFAULT_DB_ALIAS]
    if isinstance(field, models.JSONField):
        if database.vendor == "postgresql":
            return lambda value: database.ops.adapt_json_value(value, None)
        return _as_text
    if isinstance(field, models.DateTimeField):
        if database.vendor == "sqlite" and database.timezone is UTC:  # what Django does too, in a third of the time
            return lambda moment: moment.replace(tzinfo=None).isoformat(" ")
        return database.ops.adapt_datetimefield_value
    if isinstance(field, models.DateField):
        return database.ops.adapt_datefield_value
    return None


def _as_text(value: Any) -> str:
    return orjson.dumps(value).decode()


@cache
def _statement() -> str:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    columns = [quote(str(field.column)) for field in UsageRecord._meta.concrete_fields]
    table, marks = quote(UsageRecord._meta.db_table), ", ".join(["%s"] * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"


@cache
def _question(count: int) -> str:
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    table, column, marks = quote(UsageRecord._meta.db_table), quote("id"), ", ".join(["%s"] * count)
    return f"SELECT {column} FROM {table} WHERE {column} IN ({marks})"
