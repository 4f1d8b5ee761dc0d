"""What `benchmarks.soak` asks of the product, and what its providers bill: three dialects, plain and streamed, by
clients of whom some leave, answered by providers of whom some answers fail."""

import random
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.support.provider import Behaviour, ProviderMock, RecordedRequest
from tests.support.provider.behaviour import After
from tests.support.provider.record import Record
from tests.support.wire import Wire, post

MODELS = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-6", "gemini": "gemini-2.5-flash"}
FAULTS = (
    *("status:429", "status:500", "status:529", "cut:3", "garbage:2", "no_usage", "absurd_usage", "gzip"),
    *("hang:2", "error_event:3"),
)
FAULTY, LEAVING = 0.08, 0.08
SECRET = "sk-soak-"

Bill = tuple[str, int, int]
"""Model, input tokens, output tokens: what a provider charged for one request."""


class Books(Record):
    """The mock's, kept by company; single requests are forgotten at once."""

    def __init__(self) -> None:
        super().__init__(keep=0)
        self.bills: dict[str, Counter[Bill]] = defaultdict(Counter)
        self.arrivals: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()

    def ended(self, request: RecordedRequest) -> None:
        company = _company_of(request)
        self.arrivals[company] += 1
        if request.usage is not None:
            usage = request.usage
            self.bills[company][_model_of(request), usage.prompt, usage.output] += 1
        elif request.status is not None and request.status >= 300:
            self.errors[company] += 1
        super().ended(request)


def _company_of(request: RecordedRequest) -> str:
    headers = request.headers
    secret = headers.get("x-api-key") or headers.get("x-goog-api-key") or headers.get("authorization", "")
    return secret.rpartition(SECRET)[2]


def _model_of(request: RecordedRequest) -> str:
    return request.path.rpartition("/")[2].partition(":")[0] if "/models/" in request.path else request.json()["model"]


class Providers:
    """Answers of some length and pace, now and then a broken one; `out()` makes all fail for a moment."""

    def __init__(self, mock: ProviderMock, seed: int) -> None:
        self._mock, self._chance, self._out_until = mock, random.Random(seed), 0.0
        mock.record = self.books = Books()
        mock.script(self._answer)

    def out(self, seconds: float) -> None:
        self._out_until = time.monotonic() + seconds

    def _answer(self, request: RecordedRequest) -> Behaviour:
        if time.monotonic() < self._out_until:
            return Behaviour(raw=b"", after=After.RESET)
        chance, stream = self._chance, _streams(request)
        wishes = [f"output={chance.randint(1, 120)}"]
        wishes.append("chunk_tokens=8; chunk_delay=0.02" if stream else f"delay={chance.choice((0, 0, 0.05, 0.3))}")
        if chance.random() < FAULTY:
            fault = chance.choice(FAULTS)
            if stream or not fault.startswith(("error_event", "hang")):
                wishes.append(f"fault={fault}")
        return Behaviour.of(self._mock.default_reply(request, "; ".join(wishes)))


def _streams(request: RecordedRequest) -> bool:
    return "stream" in request.path or b'"stream":true' in request.body.replace(b" ", b"")


# --- Clients ---------------------------------------------------------------------------------------------------------


def request_of(dialect: str, key: str, *, stream: bool, number: int) -> bytes:
    """One of many that differ a little, of at most 150 tokens of output."""
    text, model = f"Name {number % 97} plants.", MODELS[dialect]
    headers = {"content-type": "application/json"}
    if dialect == "gemini":
        body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        body["generationConfig"] = {"maxOutputTokens": 150, "thinkingConfig": {"thinkingBudget": 0}}
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return post(f"/v1beta/models/{model}:{method}", orjson.dumps(body), {**headers, "x-goog-api-key": key})
    body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 150, "stream": stream}
    if dialect == "anthropic":
        headers |= {"x-api-key": key, "anthropic-version": "2023-06-01"}
        return post("/v1/messages", orjson.dumps(body), headers)
    return post("/v1/chat/completions", orjson.dumps(body), {**headers, "authorization": f"Bearer {key}"})


@dataclass
class Clients:
    """So many threads, each with a connection of its own, until `stop`. `ports`: the web processes that live now."""

    keys: dict[str, list[str]]
    """By company; changed while all runs."""
    ports: list[int]
    count: int
    answers: Counter[str] = field(default_factory=Counter)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        for number in range(self.count):
            self._threads.append(threading.Thread(target=self._run, args=(random.Random(number),), daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client got neither an answer nor an end"

    def _run(self, chance: random.Random) -> None:
        wire: Wire | None = None
        while not self._over.is_set():
            try:
                wire = wire or Wire(f"http://127.0.0.1:{chance.choice(self.ports)}")
                if not self._ask(wire, chance):
                    wire = None
            except (OSError, EOFError) as error:  # its web process was killed
                self.answers[f"broken connection ({type(error).__name__})"] += 1
                if wire is not None:
                    wire.close()
                wire = None
                time.sleep(0.1)
        if wire is not None:
            wire.close()

    def _ask(self, wire: Wire, chance: random.Random) -> bool:
        """One request; False where the client left it."""
        company = chance.choice(list(self.keys))
        stream = chance.random() < 0.5
        request = request_of(
            chance.choice(list(MODELS)), chance.choice(self.keys[company]), stream=stream, number=chance.randrange(97)
        )
        wire.send(request)
        if chance.random() < LEAVING:
            if stream and chance.random() < 0.5:
                wire.head()
            time.sleep(chance.random() * 0.2)
            chance.choice((wire.close, wire.reset))()
            self.answers["client left"] += 1
            return False
        reply = wire.reply()
        self.answers[_kind(reply.status, reply.body)] += 1
        time.sleep(0.02 if reply.status == 200 else 0.15)
        return True


def _kind(status: int, body: bytes) -> str:
    if status == 200:
        return "passed"
    try:
        error = orjson.loads(body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return f"{status} of the provider"
    code = error.get("code")
    if isinstance(code, str):
        return f"{status} {code}"
    details = error.get("details") or [{}]
    return f"{status} {details[0].get('reason', 'of the provider')}"
