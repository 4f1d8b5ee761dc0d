"""Schemathesis makes requests from the schema, good and bad: no route fails, answers what it does not promise, or takes
what the schema forbids."""

from collections.abc import Iterable
from typing import Any

import schemathesis
from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.api.conftest import Company


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The product, but for the end of a request, which must not close the test's own database connection."""
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)
    try:
        response = get_wsgi_application()(environ, start_response)
        body = list(response)
        response.close()
        return body
    finally:
        signals.request_started.connect(close_old_connections)
        signals.request_finished.connect(close_old_connections)


# The export streams for an ASGI server alone; see test_usage.
schema = schemathesis.openapi.from_wsgi("/api/v1/schema/", app).exclude(path="/api/v1/usage/export.csv")


@schema.parametrize()
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_route_keeps_to_its_schema(case: Case, company: Company) -> None:
    secret = company.key_secret if case.path == "/api/v1/budget/" else company.api.secret
    case.call_and_validate(
        headers={"Authorization": f"Bearer {secret}"},
        # No schema says that an expiry lies in the future, or that a scope is one that the token has.
        excluded_checks=[positive_data_acceptance],
    )
