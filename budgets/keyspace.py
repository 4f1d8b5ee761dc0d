"""Every Redis key name of the ledger. The braces are a hash tag: all keys of a tenant share a Cluster slot."""


def policy(tenant_id: str) -> str:
    """Hash: run_id, version, fence, open_at (ms), drained_upto, built. `tenants.policy` writes version and fence."""
    return f"policy:{{{tenant_id}}}"


def hold(tenant_id: str, hold_id: str) -> str:
    """Text, in lines: state, amount, counters, at (ms), owner, left, meta; after its end a tombstone, the state alone.
    `budgets.holds` reads it for pages."""
    return f"hold:{{{tenant_id}}}:{hold_id}"


def hold_prefix(tenant_id: str) -> str:
    return f"hold:{{{tenant_id}}}:"


def holds(tenant_id: str) -> str:
    """Sorted set: hold id by the end of its lease, ms."""
    return f"holds:{{{tenant_id}}}"


def graves(tenant_id: str) -> str:
    """List of texts, one a batch that was drained: until when (ms) the tombstones of its holds stay, and their ids."""
    return f"graves:{{{tenant_id}}}"


def journal(tenant_id: str) -> str:
    """Stream: what happened to money and is not in the database yet."""
    return f"journal:{{{tenant_id}}}"


def whole(tenant_id: str) -> list[str]:
    """The first KEYS of every script that looks at all of a tenant."""
    return [policy(tenant_id), holds(tenant_id), journal(tenant_id)]


def stream_id(text: str) -> tuple[int, int]:
    """An entry's id in a stream, to be compared: as text "9-0" would come after "10-0"."""
    milliseconds, sequence = text.split("-")
    return int(milliseconds), int(sequence)


def refusals(tenant_id: str, day: str) -> str:
    """Hash: refused requests of a day by `code:key_id`."""
    return f"refused:{{{tenant_id}}}:{day}"


def recent_refusals(tenant_id: str) -> str:
    """Stream, capped: the last refused requests, for the pages."""
    return f"refusals:{{{tenant_id}}}"


def kept_reply(tenant_id: str, mode: str, reply_id: str) -> str:
    """Text: all tokens of a reply that the provider keeps, a colon, its model; `proxy.kept` writes and reads it."""
    return f"kept:{{{tenant_id}}}:{mode}:{reply_id}"


def tenant_counter(tenant_id: str, mode: str, suffix: str) -> str:
    """Hash: spent, held, refused (the cap that refused last). The tenant's month; test keys count apart."""
    return f"budget:{{{tenant_id}}}:{suffix}" if mode == "live" else f"budget:{{{tenant_id}}}:{mode}:{suffix}"


def key_counter(tenant_id: str, key_id: str, suffix: str) -> str:
    """The same for one API key, by month and by day."""
    return f"budget:{{{tenant_id}}}:key:{key_id}:{suffix}"


def user_counter(tenant_id: str, user_hash: str, key_id: str, suffix: str) -> str:
    """The same for one end user of a key: what it spends through that key."""
    return f"budget:{{{tenant_id}}}:user:{user_hash}:{key_id}:{suffix}"


def parts_of_user_counter(name: str) -> tuple[str, str, str]:
    """(end user's hash, key id, window's suffix)."""
    user_hash, key_id, suffix = name.partition("}:user:")[2].split(":")
    return user_hash, key_id, suffix


def is_user_counter(name: str) -> bool:
    """The scripts tell them apart by the same part of the name."""
    return "}:user:" in name


ACTIVE = "tokonomics:active"
"""Sorted set: tenants by the time that they were last seen, epoch seconds; what the drains and sweeps look through."""
