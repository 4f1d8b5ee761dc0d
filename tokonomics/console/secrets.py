"""The secrets of an embedded installation: made once, kept in `<data dir>/secrets/`, read by the settings."""

import base64
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

MADE_BY: dict[str, Callable[[], str]] = {
    "TOKONOMICS_SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "TOKONOMICS_ENCRYPTION_KEYS": lambda: base64.urlsafe_b64encode(os.urandom(32)).decode(),  # one Fernet key
}


class SecretsMissing(Exception):
    """Secrets are needed that must not be made up now; the message says which and what to do."""


def secret_path(data_dir: Path, name: str) -> Path:
    return data_dir / "secrets" / name.lower()


def missing(data_dir: Path, environ: Mapping[str, str]) -> list[str]:
    """The names that neither the environment nor the data directory has."""
    return [name for name in MADE_BY if not environ.get(name) and not secret_path(data_dir, name).exists()]


def ensure(data_dir: Path, environ: Mapping[str, str], *, embedded: bool, first_start: bool) -> list[str]:
    """Make what is missing, mode 0600, and return the names. Raises SecretsMissing where new ones would do harm: shared
    by several hosts they must be the same everywhere, and over existing data nothing written before could be read."""
    names = missing(data_dir, environ)
    if not names:
        return []
    if not embedded:
        raise SecretsMissing(
            f"Set {' and '.join(names)}: with a Redis or a database of your own every host needs the same secrets."
        )
    if not first_start:
        raise SecretsMissing(
            f"{data_dir} holds data, but {' and '.join(names)} is neither set nor in {data_dir / 'secrets'}. Keys and "
            "provider credentials made with the old secrets would be lost; bring those back, or start in an empty "
            "data directory."
        )
    (data_dir / "secrets").mkdir(mode=0o700, exist_ok=True)
    for name in names:
        _write(secret_path(data_dir, name), MADE_BY[name]())
    return names


def _write(path: Path, value: str) -> None:
    """All or nothing: a start that is cut short must not leave half a key behind."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(value + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
