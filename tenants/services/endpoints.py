"""Where a provider's key is used: the operator's address, or an endpoint that the tenant names, made fit to keep."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings

from tenants import netguard, providers
from tenants.errors import InvalidValue

MOST_DEPLOYMENTS = 200
_LONGEST_URL = 500
_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")
_DEPLOYMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LONGEST_MODEL = 128


@dataclass(frozen=True, slots=True)
class Place:
    """`provider` as it is stored: an id of `tenants.providers`, or the tenant's own name for an endpoint."""

    provider: str
    base_url: str = ""
    api_version: str = ""
    deployments: Mapping[str, str] = field(default_factory=dict)


def checked(provider: str, name: str, base_url: str, api_version: str, deployments: Mapping[str, str]) -> Place:
    """Raises InvalidValue, for what is wrong and for what this provider does not have."""
    if provider == providers.AZURE.id:
        _nothing(name=name)
        resource = _address(base_url)
        return Place(provider, _bare(resource), _version(api_version), _deployments(deployments))
    _nothing(api_version=api_version, deployments=deployments)
    if provider in providers.BY_ID:
        _nothing(name=name, base_url=base_url)
        return Place(provider)
    if provider != providers.CUSTOM and not (providers.is_name(provider) and (base_url or name)):
        known = ", ".join([*providers.BY_ID, providers.CUSTOM])
        raise InvalidValue("provider", f"Choose one of {known}.")
    return Place(_name(name if provider == providers.CUSTOM else provider), _address(base_url))


def _nothing(**given: object) -> None:
    for each, value in given.items():
        if value:
            raise InvalidValue(each, f"This provider has no `{each}` of yours.")


def _name(text: str) -> str:
    cleaned = text.strip().lower()
    if not providers.is_name(cleaned):
        raise InvalidValue(
            "name",
            "Choose a name of small letters, digits and hyphens, up to 32, like `vllm` or `house-llama`, that no "
            "provider has: the models there are then called vllm/...",
        )
    return cleaned


def _address(text: str) -> str:
    """Judged as it answers now; a name that does not answer yet is judged when it is used."""
    try:
        url = netguard.parse(text)
        netguard.vet(url, private=settings.PROVIDERS_ALLOW_PRIVATE_URLS)
    except netguard.InvalidUrl as error:
        if text.strip():
            raise InvalidValue(
                "base_url", str(error).replace("hooks.example.com/alerts", "llm.example.com/v1")
            ) from error
        raise InvalidValue("base_url", "Enter the endpoint's address, like https://llm.example.com/v1.") from error
    except netguard.AddressRefused as error:
        raise InvalidValue("base_url", str(error)) from error
    if len(text) > _LONGEST_URL or "?" in text or "#" in text:
        raise InvalidValue("base_url", "Enter the address without a query, up to 500 characters.")
    return url.origin + url.target.rstrip("/")


def _bare(address: str) -> str:
    """Azure's resource by itself: what people paste often goes on to `/openai/...`."""
    return re.sub(r"/openai(/.*)?$", "", address)


def _version(text: str) -> str:
    cleaned = text.strip()
    if cleaned in ("", "v1", "preview"):
        return ""
    if not _VERSION.fullmatch(cleaned):
        raise InvalidValue("api_version", "Enter the API version as Azure writes it, like 2024-10-21; empty for v1.")
    return cleaned


def _deployments(given: Mapping[str, str]) -> dict[str, str]:
    if not given:
        raise InvalidValue("deployments", "Name at least one deployment with the model that runs there.")
    if len(given) > MOST_DEPLOYMENTS:
        raise InvalidValue("deployments", f"Name at most {MOST_DEPLOYMENTS} deployments.")
    for deployment, model in given.items():
        if not _DEPLOYMENT.fullmatch(deployment):
            raise InvalidValue("deployments", f"{deployment[:50]!r} is no name of a deployment.")
        if not (model.isprintable() and model and " " not in model and len(model) <= _LONGEST_MODEL):
            raise InvalidValue("deployments", f"Name the model that runs in {deployment}, like gpt-4o.")
    return dict(given)
