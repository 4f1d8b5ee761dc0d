"""multipart/form-data, read in one strict way and written anew: what goes out is our serialisation of what was priced.

A form that two parsers may read differently (a field given twice, a stray preamble, an encoding) is refused. Of a
file's name only its ending is passed on; providers tell the format by it.
"""

import re
import secrets
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any

from proxy.providers.base import HeaderMap
from proxy.providers.fields import refuse

MOST_PARTS = 64
_MOST_HEADERS = 1_024
_BOUNDARY = re.compile(r'multipart/form-data\s*;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*', re.IGNORECASE)
_DISPOSITION = re.compile(
    r'form-data; ?name="?(?P<name>[A-Za-z0-9_\[\]]{1,100})"?'
    r'(?:; ?filename=(?P<file>"[^"\r\n]*"|[^\s;"]+))?(?:; ?filename\*=(?P<coded>[^\s;]+))?'
)
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}$")
_WHOLE = re.compile(r"-?[0-9]{1,9}")
_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,60}")
# Ours: nobody who sends a file can know it, so no file can hold it.
_OUR_BOUNDARY = secrets.token_hex(24)
CONTENT_TYPE = f"multipart/form-data; boundary={_OUR_BOUNDARY}".encode()


@dataclass(frozen=True, slots=True)
class Part:
    """One field or file. `ending`: of the file's name, like `.mp3`; None for a field that is no file."""

    name: str
    data: bytes
    ending: str | None = None
    content_type: str = "application/octet-stream"

    @property
    def text(self) -> str:
        try:
            return self.data.decode()
        except UnicodeDecodeError:
            refuse(self.name, f"`{self.name}` must be text in UTF-8.")


def read(body: bytes, headers: HeaderMap) -> list[Part]:
    """Raises RequestRefused `invalid_request`."""
    form = _BOUNDARY.fullmatch(headers.get("content-type", "").strip())
    if form is None:
        refuse("body", "The body must be multipart/form-data.")
    pieces = (b"\r\n" + body).split(b"\r\n--" + (form[1] or form[2]).encode("latin-1", "replace"))
    if len(pieces) < 3 or pieces[0].strip() or pieces[-1].strip(b"\r\n") != b"--":
        refuse("body", "The multipart body is not whole.")
    if len(pieces) > MOST_PARTS + 2:
        refuse("body", f"The body has more than {MOST_PARTS} parts.")
    return [_part(piece) for piece in pieces[1:-1]]


def payload_of(
    parts: Iterable[Part], *, numbers: Set[str] = frozenset(), flags: Set[str] = frozenset()
) -> dict[str, Any]:
    """The form as the JSON object that it stands for: `a[]` is an item of a list, `a[b]` a field of an object, a file
    an item of a list of parts. `numbers`, `flags`: the fields that text only spells. Raises RequestRefused.
    """
    payload: dict[str, Any] = {}
    lists: dict[str, list[Any]] = {}
    objects: dict[str, dict[str, str]] = {}
    for part in parts:
        name, bracket, inner = part.name.partition("[")
        if part.ending is not None or inner == "]":
            lists.setdefault(name, []).append(part.text if part.ending is None else part)
        elif not bracket:
            if name in payload:
                refuse(name, f"`{name}` is given more than once.")
            payload[name] = _value(part, numbers, flags)
        elif (key := inner.removesuffix("]")) in objects.setdefault(name, {}) or key == inner:
            refuse(name, f"`{part.name}` is no field, or is given more than once.")
        else:
            objects[name][key] = part.text
    if len(payload) + len(lists) + len(objects) > len(payload.keys() | lists.keys() | objects.keys()):
        refuse("body", "A field of the form is given in two ways.")
    return payload | lists | objects


def _value(part: Part, numbers: Set[str], flags: Set[str]) -> Any:
    text = part.text
    if part.name in numbers:
        return int(text) if _WHOLE.fullmatch(text) else refuse(part.name, f"`{part.name}` must be a whole number.")
    if part.name in flags:
        given = {"true": True, "false": False}.get(text.lower())
        return refuse(part.name, f"`{part.name}` must be true or false.") if given is None else given
    return text


def write(parts: Iterable[Part]) -> bytes:
    out = []
    for part in parts:
        file = part.ending is not None
        name = f'form-data; name="{part.name}"' + (f'; filename="upload{part.ending}"' if file else "")
        kind = f"\r\nContent-Type: {part.content_type}" if file else ""
        out.append(f"--{_OUR_BOUNDARY}\r\nContent-Disposition: {name}{kind}\r\n\r\n".encode())
        out += [part.data, b"\r\n"]
    out.append(f"--{_OUR_BOUNDARY}--\r\n".encode())
    return b"".join(out)


def _part(piece: bytes) -> Part:
    head, blank, data = piece.partition(b"\r\n\r\n")
    if not blank or not head.startswith(b"\r\n") or len(head) > _MOST_HEADERS:
        refuse("body", "A part of the multipart body has no headers.")
    given: dict[str, str] = {}
    for line in head[2:].decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or name.lower() in given:
            refuse("body", "A part of the multipart body has a malformed header.")
        given[name.lower()] = value.strip()
    if given.keys() - {"content-disposition", "content-type", "content-length", "content-transfer-encoding"}:
        refuse("body", "A part of the multipart body has an unknown header.")
    if given.get("content-transfer-encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
        refuse("body", "The parts of a multipart body must be sent as they are, without an encoding.")
    named = _DISPOSITION.fullmatch(given.get("content-disposition", ""))
    if named is None:
        refuse("body", "A part of the multipart body has no name.")
    file = named["file"] or named["coded"]
    if file is None:
        return Part(named["name"], data)
    ending, kind = _ENDING.search(file.strip('"')), given.get("content-type", "").lower()
    return Part(
        named["name"],
        data,
        ending[0].lower() if ending else "",
        kind if _TYPE.fullmatch(kind) else "application/octet-stream",
    )
