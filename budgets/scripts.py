"""The Lua of the ledger, loaded once; each file's header comment gives its KEYS, ARGV and reply."""

from pathlib import Path

from tenants.store import Script

_FOLDER = Path(__file__).parent / "lua"


def _load(name: str) -> Script:
    return Script(_FOLDER / f"{name}.lua", _FOLDER / "_prelude.lua")


RESERVE = _load("reserve")
EXTEND = _load("extend")
SETTLE = _load("settle")
RELEASE = _load("release")
RENEW = _load("renew")
LAPSE = _load("lapse")
PRESENT = _load("present")
RECOUNT = _load("recount")
SEED = _load("seed")
REBUILD = _load("rebuild")
ACK = _load("ack")
SNAPSHOT = _load("snapshot")
MEND = _load("mend")
LOOK = _load("look")
