"""OpenAI's pictures, speech and transcriptions: a black pixel, a second of silence, and words about what was sent."""

from __future__ import annotations

import base64
import io
import re
import wave
from collections.abc import Iterator
from email import message_from_bytes
from typing import Any

import orjson

from tokonomics.sandbox.dialect import Request, RequestError, required, whole_number
from tokonomics.sandbox.openai_replies import headers
from tokonomics.sandbox.reply import Chunk, Reply, plain, stream
from tokonomics.sandbox.tokens import PromptSize, Tokens

_PIXEL = base64.b64decode(
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
_TOKENS_A_PICTURE = 1_024
_SIZE = re.compile(r"([1-9]\d{2,3})x([1-9]\d{2,3})")
_GRID = {"low": 16, "medium": 48, "high": 96}
_FIRST_MODELS = {"low": 272, "medium": 1_056, "high": 4_160}
_MILLISECONDS_A_TOKEN = 100
_SILENCE_RATE = 8_000
_BY_LENGTH = ("whisper-1", "gpt-transcribe")


def create_image(request: Request) -> Reply:
    return _pictures(request, request.json(), shown=0, kind="image_generation")


def edit_image(request: Request) -> Reply:
    fields, files = _form(request)
    return _pictures(request, fields, shown=len(files), kind="image_edit")


def create_speech(request: Request) -> Reply:
    """As WAV, whatever was asked for."""
    document = request.json()
    required(document, "model", str)
    text: str = required(document, "input", str)
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_SILENCE_RATE)
        file.writeframes(bytes(2 * _SILENCE_RATE))
    body = sound.getvalue()
    tokens = Tokens(prompt=len(text), output=0)
    return Reply(200, (("content-type", "audio/wav"), *headers(request)), (Chunk(body),), len(body), tokens)


def create_transcription(request: Request) -> Reply:
    fields, files = _form(request)
    model = required(fields, "model", str)
    if len(files) != 1:
        raise RequestError(400, "Missing required parameter: 'file'.", param="file")
    milliseconds = _length(files[0])
    words = f"{len(files[0])} bytes of sound."
    if model in _BY_LENGTH:  # the bill is in seconds
        usage: dict[str, Any] = {"type": "duration", "seconds": -(-milliseconds // 1_000)}
        tokens = Tokens(prompt=usage["seconds"], output=0)
    else:
        heard = -(-milliseconds // _MILLISECONDS_A_TOKEN)
        tokens = Tokens(prompt=heard, output=5)
        told = {"audio_tokens": heard, "text_tokens": 0}
        usage = {"type": "tokens", "input_tokens": heard, "input_token_details": told, "output_tokens": 5}
        usage["total_tokens"] = heard + 5
    if fields.get("response_format") in ("text", "srt", "vtt"):
        body = words.encode()
        return Reply(200, (("content-type", "text/plain"), *headers(request)), (Chunk(body),), len(body), tokens)
    if fields.get("stream") == "true" and model not in _BY_LENGTH[:1]:
        events = ({"type": "transcript.text.delta", "delta": words}, {"type": "transcript.text.done", "text": words})
        said, done = events
        chunks = [Chunk(_event(None, said), tokens.output), Chunk(_event(None, {**done, "usage": usage}))]
        return stream(chunks, headers=headers(request), tokens=tokens)
    return plain({"text": words, "usage": usage}, headers=headers(request), tokens=tokens)


def _pictures(request: Request, document: dict[str, Any], *, shown: int, kind: str) -> Reply:
    model = required(document, "model", str)
    prompt = required(document, "prompt", str)
    count = whole_number(document, "n", high=10) or 1
    size, quality = _chosen(document, "size", "1024x1024"), _chosen(document, "quality", "medium")
    each = _drawn(model, size, quality)
    said = PromptSize(text_bytes=len(prompt.encode())).tokens * count
    seen = _TOKENS_A_PICTURE * shown * count
    tokens = Tokens(prompt=said + seen, output=each * count)
    picture = {"b64_json": base64.b64encode(_PIXEL).decode()}
    about = {"background": "opaque", "output_format": "png", "quality": quality, "size": size}
    if document.get("stream") in (True, "true"):
        events = _drawing(
            kind, {**picture, **about, "created_at": request.now}, count, _usage(said, seen, each * count)
        )
        return stream(events, headers=headers(request), tokens=tokens)
    reply = {"created": request.now, **about, "data": [picture] * count, "usage": _usage(said, seen, each * count)}
    return plain(reply, headers=headers(request), tokens=tokens)


def _drawn(model: str, size: str, quality: str) -> int:
    """Tokens of one picture: the first models' by quality, the later ones' by the formula of the price calculator."""
    given = _SIZE.fullmatch(size)
    if given is None or quality not in _GRID:
        raise RequestError(400, "Invalid value for 'size' or 'quality'.", code="invalid_value", param="size")
    if model.startswith("gpt-image-1"):
        return _FIRST_MODELS[quality]
    width, height, grid = int(given[1]), int(given[2]), _GRID[quality]
    rows = round(grid * min(width, height) / max(width, height) + 1e-9)
    return -(-grid * rows * (2_000_000 + width * height) // 4_000_000)


def _drawing(kind: str, picture: dict[str, Any], count: int, usage: dict[str, Any]) -> Iterator[Chunk]:
    """Each picture's own event; the whole usage comes with the first, so that the sum is right."""
    nothing = _usage(0, 0, 0)
    for index in range(count):
        name = f"{kind}.completed"
        event = {"type": name, **picture, "usage": nothing if index else usage}
        yield Chunk(_event(name, event), 0 if index else usage["output_tokens"])


def _usage(said: int, seen: int, made: int) -> dict[str, Any]:
    return {
        "input_tokens": said + seen,
        "input_tokens_details": {"text_tokens": said, "image_tokens": seen},
        "output_tokens": made,
        "output_tokens_details": {"text_tokens": 0, "image_tokens": made},
        "total_tokens": said + seen + made,
    }


def _chosen(document: dict[str, Any], name: str, usual: str) -> str:
    value = document.get(name)
    return usual if value in (None, "auto") else str(value)


def _event(name: str | None, event: dict[str, Any]) -> bytes:
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + orjson.dumps(event) + b"\n\n"


def _form(request: Request) -> tuple[dict[str, Any], list[bytes]]:
    """The text fields by name, numbers as numbers, and the files."""
    head = b"Content-Type: " + request.headers.get("content-type", "").encode("latin-1") + b"\r\n\r\n"
    message = message_from_bytes(head + request.body)
    if message.get_content_type() != "multipart/form-data" or not message.is_multipart():
        raise RequestError(400, "The body must be multipart/form-data.")
    fields: dict[str, Any] = {}
    files: list[bytes] = []
    for part in message.walk():
        if part.is_multipart():
            continue
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        name = str(part.get_param("name", "", "content-disposition"))
        if part.get_filename() is not None:
            files.append(data)
        else:
            text = data.decode("utf-8", "replace")
            fields[name] = int(text) if name == "n" and text.isdigit() else text
    return fields, files


def _length(sound: bytes) -> int:
    """Of a WAV file, milliseconds; anything else lasts a second."""
    try:
        with wave.open(io.BytesIO(sound)) as file:
            frames: int = file.getnframes()
            rate: int = file.getframerate()
            return -(-frames * 1_000 // rate)
    except (wave.Error, EOFError):
        return 1_000
