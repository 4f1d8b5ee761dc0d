"""Lists a page at a time, newest first, by a cursor that rows added meanwhile do not move."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db.models import Q
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from tenants.serializers import PAGE_SIZE

_MOMENT = "%Y-%m-%dT%H:%M:%S.%f%z"
_ID = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)


class NewestFirst(BasePagination):
    """A cursor names the last row of a page by (time, id); the next page are the rows after it in that order.

    The view says by which time (`newest_by`), and has checked `cursor` and `limit` (`params`).
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        time, limit = view.newest_by, view.params.get("limit", PAGE_SIZE)
        if cursor := view.params.get("cursor"):
            queryset = queryset.filter(_after(time, *_read(cursor)))
        found = list(queryset.order_by(f"-{time}", "-pk")[: limit + 1])
        rows = found[:limit]
        self._next = None
        if len(found) > limit:
            cursor = _written(getattr(rows[-1], time), rows[-1].pk)
            self._next = replace_query_param(request.build_absolute_uri(), "cursor", cursor)
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "next": self._next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        following = {"type": "string", "format": "uri", "nullable": True, "description": "The next page's address."}
        return {
            "type": "object",
            "required": ["results", "next"],
            "properties": {"results": schema, "next": following},
        }


def _after(time: str, moment: datetime, pk: str) -> Q:
    return Q(**{f"{time}__lte": moment}) & (Q(**{f"{time}__lt": moment}) | Q(pk__lt=pk))


def _written(moment: datetime, pk: str) -> str:
    named = orjson.dumps([moment.astimezone(UTC).strftime(_MOMENT), pk])
    return urlsafe_b64encode(named).decode().rstrip("=")


def _read(cursor: str) -> tuple[datetime, str]:
    try:
        moment, pk = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not _ID.fullmatch(pk):
            raise ValueError("no id")
        return datetime.strptime(moment, _MOMENT).astimezone(UTC), pk
    except (ValueError, TypeError, OverflowError) as error:
        raise ValidationError({"cursor": "Use a cursor as `next` gave it."}) from error
