"""The id of the request that the running task serves, for whoever writes a line about it to the log."""

from contextvars import ContextVar

current: ContextVar[str] = ContextVar("request_id", default="")
