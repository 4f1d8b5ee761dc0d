"""Bodies of multipart/form-data, as the official clients write them."""

from collections.abc import Mapping

Value = str | tuple[str, bytes]
"""The text of a field, or the name and the bytes of a file."""

BOUNDARY = "7f9a1c"
HEADERS = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(fields: Mapping[str, Value | list[Value]]) -> bytes:
    parts = []
    for name, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            head = f'Content-Disposition: form-data; name="{name}"'
            if isinstance(value, tuple):
                head += f'; filename="{value[0]}"\r\nContent-Type: application/octet-stream'
            data = value.encode() if isinstance(value, str) else value[1]
            parts.append(f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
