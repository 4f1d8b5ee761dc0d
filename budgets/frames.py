"""Calls of scripts that are packed for the wire once, but for what differs from call to call.

A reserve has some forty arguments, and all but six of them are the same for every request of a key. A `Frame` has the
ones that stay as bytes; `filled` puts in the others, and the lane those that are known only as the call is written.
"""

from collections.abc import Iterable, Sequence

from tenants.store import Script

Argument = str | int | bytes

HOLE = b"\0hole"
"""Stands for a value that each call brings."""
RUN_ID = b"\0run_id"
DEADLINE = b"\0deadline"
"""The two stand, by identity, for what the lane fills in: the server's run_id, and until when the call counts, ms."""


def packed(argument: Argument) -> bytes:
    """One argument of a command as the protocol has it."""
    data = argument if type(argument) is bytes else str(argument).encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


class PackedCall:
    """A call of a script, ready but for RUN_ID and DEADLINE. `key`: one of its keys, for who looks for their server."""

    __slots__ = ("_pieces", "key", "script")

    def __init__(self, script: Script, key: str, pieces: list[bytes]) -> None:
        self.script, self.key, self._pieces = script, key, pieces

    def write(self, out: list[bytes], run_id: bytes, deadline_ms: int, *, as_source: bool) -> None:
        """Append its bytes. `run_id` is packed; `as_source`: for a server that does not know the script yet."""
        pieces = self._pieces
        if as_source:
            pieces = [pieces[0].split(b"\r\n", 1)[0] + b"\r\n" + _named("EVAL", self.script.source), *pieces[1:]]
        for piece in pieces:
            if piece is RUN_ID:
                piece = run_id
            elif piece is DEADLINE:
                piece = packed(deadline_ms)
            out.append(piece)


class Frame:
    """A script's call with holes in it. `args` follow the run_id, as in `Lane.call`; keys and args may be HOLE."""

    def __init__(self, script: Script, keys: Sequence[str | bytes], args: Iterable[Argument]) -> None:
        arguments: list[Argument] = [len(keys), *keys, RUN_ID, *args]
        self._script, self._key = script, str(keys[0])
        head = b"*%d\r\n%b" % (len(arguments) + 2, _named("EVALSHA", script.sha))
        self._pieces: list[tuple[bytes, int, int]] = [(head, 0, 0)]
        """Bytes; with holes, a template for some of the values (each with its length): from where, until where."""
        template, at, until = b"", 0, 0
        for argument in arguments:
            if argument is HOLE:
                template, until = template + b"$%d\r\n%b\r\n", until + 2
            elif argument is RUN_ID or argument is DEADLINE:
                self._end_piece(template, at, until)
                self._pieces.append((argument, 0, 0))
                template, at = b"", until
            else:
                template += packed(argument).replace(b"%", b"%%")
        self._end_piece(template, at, until)

    def _end_piece(self, template: bytes, at: int, until: int) -> None:
        if template:
            self._pieces.append((template if at < until else template.replace(b"%%", b"%"), at, until))

    def filled(self, *values: bytes) -> PackedCall:
        """`values`: one for each hole, in order."""
        sized: list[int | bytes] = []
        for value in values:
            sized += (len(value), value)
        pieces = [piece % tuple(sized[at:until]) if at < until else piece for piece, at, until in self._pieces]
        return PackedCall(self._script, self._key, pieces)


def _named(command: str, script: str) -> bytes:
    return packed(command) + packed(script)
