"""The environment, and where it says that things are: what the rest of the settings is built on."""

from pathlib import Path

import environ

from tokonomics.console.embedded import socket_url

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent.parent

DATA_DIR = Path(env.str("TOKONOMICS_DATA_DIR", default=str(BASE_DIR / "var"))).absolute()
DATABASE_URL = env.str("DATABASE_URL", default="")
REDIS_URL = env.str("REDIS_URL", default="") or socket_url(DATA_DIR)
BROKER_URL = env.str("TOKONOMICS_BROKER_URL", default=REDIS_URL)
CHANNELS_URL = env.str("TOKONOMICS_CHANNELS_URL", default=REDIS_URL)
CACHE_URL = env.str("TOKONOMICS_CACHE_URL", default=CHANNELS_URL)
EMAIL_URL = env.str("EMAIL_URL", default="")


def secret(name: str) -> str:
    """From the environment, else from the file that a first embedded start wrote (`tokonomics.console.secrets`)."""
    if value := env.str(name, default=""):
        return str(value)
    path = DATA_DIR / "secrets" / name.lower()
    return path.read_text().strip() if path.exists() else ""


# Without them nothing starts, but for commands that make them: see tenants.checks.
SECRET_KEY = secret("TOKONOMICS_SECRET_KEY") or "unset-and-refused-by-the-system-check"
SECRET_KEY_FALLBACKS = env.list("TOKONOMICS_SECRET_KEY_FALLBACKS", default=[])
ENCRYPTION_KEYS = [key for key in secret("TOKONOMICS_ENCRYPTION_KEYS").split(",") if key]
