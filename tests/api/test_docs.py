"""docs/api.md, the schema and the reference page say what the code does, all of it and nothing else."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from proxy.providers.registry import ADAPTERS
from tenants import errors as tenant_errors
from tenants.errors import TenantError
from tests.api.conftest import ApiClient
from tests.api.routes import routes
from tests.support.valkey import ValkeyServer
from tokonomics.api import docs, errors, idempotency, parsers

BASE = Path(settings.BASE_DIR)
TEXT = (BASE / "docs/api.md").read_text()
METERED, REST = TEXT.split("\n## REST API\n")

# What only pages can meet: no route of the API sets a slug, an e-mail or a member.
PAGES_ONLY = {"invalid_request", "slug_taken", "email_taken", "already_member", "last_owner"}


def table_codes(text: str) -> dict[str, set[int]]:
    """Codes of the tables of errors, with their statuses."""
    found: dict[str, set[int]] = {}
    for status, code in re.findall(r"^\| (\d{3}) \| `(\w+)` \|", text, re.MULTILINE):
        found.setdefault(code, set()).add(int(status))
    return found


def test_every_route_is_documented_and_every_documented_route_exists() -> None:
    documented = set(re.findall(r"^\| `(GET|POST|PATCH|PUT|DELETE) /api/v1/([^`]*)` \|", TEXT, re.MULTILINE))
    assert documented == {(method, route.named) for route in routes() for method in route.methods}


def test_every_metered_route_is_documented_and_every_documented_one_is_metered() -> None:
    documented = set(re.findall(r"^\| `POST (/v1[^`]*)` \|", METERED, re.MULTILINE))
    assert documented == set(ADAPTERS)


def _constants(folder: str, calls: dict[str, int]) -> set[str]:
    """String constants given to these calls at these positions, in all of a folder's code."""
    found = set()
    for path in (BASE / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name in calls and len(node.args) > calls[name]:
                    argument = node.args[calls[name]]
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        found.add(argument.value)
    return found


def test_every_code_of_the_metered_routes_is_documented_and_none_else() -> None:
    calls = {
        "ErrorBody": 1,
        "RequestRefused": 0,
        "bad_request": 0,
        "key_refused": 0,
        "unavailable": 0,
        "UpstreamFailed": 0,
    }
    made = _constants("proxy", calls)
    assert len(made) > 15
    assert set(table_codes(METERED)) == made


def _subclasses(kind: type[TenantError]) -> set[type[TenantError]]:
    return {kind, *(each for child in kind.__subclasses__() for each in _subclasses(child))}


def _named_errors() -> list[type[TenantError]]:
    """Not those that other apps add for their pages."""
    ours = (tenant_errors.__name__, idempotency.__name__)
    return [each for each in _subclasses(TenantError) if each.__module__ in ours]


def test_every_code_of_the_rest_api_is_documented_and_none_else() -> None:
    codes = {each.code for each in _named_errors()} - PAGES_ONLY
    codes |= set(errors._INPUT_CODES.values()) | set(errors._PROTOCOL_CODES.values()) | {"invalid_value"}
    codes |= _constants("tenants", {"AuthenticationFailed": 1, "PermissionDenied": 1})
    codes |= _constants("tokonomics/api", {"Refusal": 1})
    codes.add(parsers.BodyTooLarge.default_code)
    assert set(table_codes(REST)) == codes


def test_statuses_of_named_errors_are_as_documented() -> None:
    documented = table_codes(REST)
    for kind in _named_errors():
        if kind.code in documented:
            refusal = errors._of_tenant(kind("x", "y") if kind is tenant_errors.InvalidValue else kind("x"))
            assert refusal.status in documented[kind.code]


# --- Schema and reference page ---------------------------------------------------------------------------------------


@pytest.fixture
def schema(db: None, store: ValkeyServer) -> Any:
    return Client().get("/api/v1/schema/").json()


def test_the_schema_is_public_and_has_every_route(schema: Any) -> None:
    paths = schema["paths"]
    of_schema = {(method.upper(), path.removeprefix("/api/v1/")) for path in paths for method in paths[path]}
    of_urls = {(method, route.named) for route in routes() for method in route.methods if route.pattern != "schema/"}
    assert of_schema == of_urls


def test_a_bad_token_does_not_close_the_schema(db: None, store: ValkeyServer) -> None:
    assert ApiClient("tkm_nonsense").get("schema/").status_code == 200


def test_every_operation_says_who_may_and_what_an_error_is(schema: Any) -> None:
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            other = {"/api/v1/budget/": ["apiKey"], "/api/v1/estimate/": ["apiKey", "managementToken"]}
            assert operation["security"] == [{scheme: []} for scheme in other.get(path, ["managementToken"])], path
            assert operation["tags"] and operation["responses"]["default"], path


def test_money_in_the_schema_is_text(schema: Any) -> None:
    for name, part in schema["components"]["schemas"].items():
        for field, of_it in part.get("properties", {}).items():
            if field.endswith("_usd"):
                assert of_it.get("type") == "string" or "oneOf" in of_it, f"{name}.{field}"


def test_the_reference_page_has_every_operation_and_no_script_of_its_own(db: None, store: ValkeyServer) -> None:
    reply = Client().get("/api/docs/")
    page = reply.content.decode()
    assert reply.status_code == 200
    for route in routes():
        for method in route.methods:
            if route.pattern != "schema/":
                assert f"{method} /api/v1/{route.named}" in page
    assert not re.search(r"<script(?![^>]* src=\"/static/)|<style|\sstyle=|\son\w+=\"|https?://(?!testserver)", page)
    assert "script-src 'self'" in reply.headers["Content-Security-Policy"]
    anchors = re.findall(r' id="([^"]+)"', page)
    assert len(anchors) == len(set(anchors))


def test_the_reference_page_names_types_in_words() -> None:
    operations = {
        (operation.method, operation.path): operation for group in docs.groups() for operation in group.operations
    }
    fields = {field.name: field for field in operations["PATCH", "/api/v1/tenant/"].body}
    assert fields["hard_cap"].type == "true or false" and "USD" in fields["monthly_budget_usd"].type
    answer = {field.name: field.type for field in operations["GET", "/api/v1/tenant/"].answer}
    assert answer["monthly_budget_usd"] == "USD or null" and answer["live"] == "true or false"
    assert operations["GET", "/api/v1/budget/"].scope == "an application's key"
    assert {field.name for field in operations["GET", "/api/v1/usage/"].parameters} >= {"from", "to", "cursor", "limit"}


def test_the_old_address_of_the_page_leads_to_it(db: None, store: ValkeyServer) -> None:
    assert Client().get("/api/v1/docs/").headers["Location"] == "/api/docs/"
