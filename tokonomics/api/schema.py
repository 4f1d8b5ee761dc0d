"""What drf-spectacular cannot see by itself: how one authenticates, which shape every error has."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

PREFIX = "/api/v1/"

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "param"],
            "properties": {
                "code": {"type": "string", "description": "For programs; see the table of codes."},
                "message": {"type": "string", "description": "For people: what is wrong, and what would do."},
                "param": {"type": "string", "nullable": True, "description": "Which input, where it is one."},
            },
        }
    },
}


class StrictSchema(AutoSchema):
    """Knows the parameters that a view checks its address against."""

    def get_override_parameters(self) -> list[Any]:
        query_class = getattr(self.view, "query_class", None)
        return [query_class] if self.method == "GET" and query_class and query_class().fields else []


class ManagementTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tenants.authentication.ManagementTokenAuthentication"
    name = "managementToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A management token, `tkm_...`. GET takes the scope `read`, everything else `write`.",
        }


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tenants.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "An application's own key, `tk_...`."}


class KeyOrTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "tenants.authentication.KeyOrTokenAuthentication"
    name = ["apiKey", "managementToken"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        each = (ApiKeyScheme, ManagementTokenScheme)
        return [scheme(self.target).get_security_definition(auto_schema) for scheme in each]


def only_the_api(endpoints: list[Any]) -> list[Any]:
    """Of all addresses those of the API, without the schema itself."""
    return [each for each in endpoints if each[0].startswith(PREFIX) and not each[0].startswith(f"{PREFIX}schema")]


def strict_both_ways(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Every operation may answer an Error, with whatever status; bodies take the names that are listed alone."""
    schemas = result["components"]["schemas"]
    for name, part in schemas.items():
        if name.endswith("Request"):
            part["additionalProperties"] = False
    schemas["Error"] = _ERROR
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = {"description": "Refused.", "content": content}
    return result
