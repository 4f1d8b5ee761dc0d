"""System checks for misconfiguration of secrets and servers.

A fresh clone has none yet and must still be able to `check`, `makemigrations` and `migrate`: there it is a warning.
With `check --deploy`, and in every process that serves (`require_secrets`), it is an error. A bad key always is.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from tenants import topology

BESIDE_THE_LEDGER = {
    "TOKONOMICS_BROKER_URL": "BROKER_URL",
    "TOKONOMICS_CHANNELS_URL": "CHANNELS_URL",
    "TOKONOMICS_CACHE_URL": "CACHE_URL",
}
PLACEHOLDER = "unset-and-refused-by-the-system-check"
_HINT = (
    "The first start of `manage.py up` with the embedded Valkey makes the secrets. With servers of your own, set "
    "them in the environment, the same on every host."
)


def require_secrets() -> None:
    """For processes that serve and commands that mint. Raises ImproperlyConfigured with what to do."""
    problems = [*_missing(), *_bad_keys()]
    if problems:
        hints = dict.fromkeys(hint for _, _, hint in problems)  # said once each
        raise ImproperlyConfigured(" ".join([*(problem for _, problem, _ in problems), *hints]))


@checks.register("tenants")
def check_secrets(**kwargs: Any) -> list[checks.CheckMessage]:
    missing = [checks.Warning(problem, hint=hint, id=f"tenants.W{number}") for number, problem, hint in _missing()]
    return [*missing, *_errors(_bad_keys())]


@checks.register("tenants", deploy=True)
def check_secrets_for_service(**kwargs: Any) -> Sequence[checks.CheckMessage]:
    return _errors(_missing())


@checks.register("tenants")
def check_servers(**kwargs: Any) -> list[checks.CheckMessage]:
    problem = server_problem()
    return [checks.Error(problem, id="tenants.E004")] if problem else []


def server_problem() -> str:
    """What is wrong with the addresses of Redis, '' for nothing. Only the ledger's may be a Cluster or Sentinels."""
    try:
        topology.address(settings.REDIS_URL)
    except ValueError as error:
        return str(error)
    apart = [
        name
        for name, setting in BESIDE_THE_LEDGER.items()
        if urlsplit(getattr(settings, setting)).scheme.endswith(("+cluster", "+sentinel"))
    ]
    if not apart:
        return ""
    return (
        f"{' and '.join(apart)} must name a plain server (redis://host:6379/0): tasks, live pages and the cache "
        "can use neither a Cluster nor Sentinels."
    )


def _errors(problems: Iterable[tuple[str, str, str]]) -> list[checks.CheckMessage]:
    return [checks.Error(problem, hint=hint, id=f"tenants.E{number}") for number, problem, hint in problems]


def _missing() -> Iterable[tuple[str, str, str]]:
    """Number, problem, hint."""
    if settings.SECRET_KEY == PLACEHOLDER:
        yield "001", "TOKONOMICS_SECRET_KEY is not set.", _HINT
    if not settings.ENCRYPTION_KEYS:
        yield "002", "TOKONOMICS_ENCRYPTION_KEYS is not set.", _HINT


def _bad_keys() -> Iterable[tuple[str, str, str]]:
    for position, key in enumerate(settings.ENCRYPTION_KEYS, start=1):
        try:
            Fernet(key)
        except ValueError:
            hint = "A Fernet key is 32 random bytes in URL-safe base64; several are separated by commas."
            yield "003", f"Key {position} of TOKONOMICS_ENCRYPTION_KEYS is not a Fernet key.", hint
