"""The wire formats through the whole product: official clients, exact bills, keys that go nowhere else."""

import json
from collections.abc import Iterator

import httpx
import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.support.bills import Price
from tests.support.office import Company, Office, Row
from tests.support.provider import Behaviour, Tokens
from tests.support.stack import ProductStack

TIMEOUT = 45.0
TOLD = "X-Tokonomics-Sandbox"
FUNCTION = {
    "type": "function", "name": "weather", "strict": True,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}  # fmt: skip
# USD per 1,000,000 tokens, as the providers print them.
PRICES = {
    "gpt-5-mini": Price(input="0.25", output="2.00", cached="0.025"),
    "gpt-3.5-turbo-instruct": Price(input="1.50", output="2.00", cached="1.50"),
    "text-embedding-3-small": Price(input="0.02", output="0", cached="0.02"),
    "gemini-2.5-flash": Price(input="0.30", output="2.50", cached="0.03"),
    "gemini-embedding-001": Price(input="0.15", output="0", cached="0.15"),
    "gpt-image-2": Price(input="5.00", output="30.00", cached="1.25"),
    "tts-1": Price(input="15.00", output="0", cached="0"),  # per 1,000,000 characters
    "whisper-1": Price(input="100", output="0", cached="0"),  # $0.006 a minute, per 1,000,000 seconds
    "gpt-4o-mini-transcribe": Price(input="3.00", output="5.00", cached="0"),  # sound in, text out
}


@pytest.fixture
def company(office: Office) -> Company:
    return office.company(providers=("openai", "gemini"))


@pytest.fixture
def gpt(stack: ProductStack, company: Company) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{stack.base_url}/v1", api_key=company.key, timeout=TIMEOUT) as client:
        yield client


def google(stack: ProductStack, key: str, version: str | None = None) -> genai.Client:
    options = types.HttpOptions(base_url=stack.base_url, api_version=version, timeout=int(TIMEOUT * 1000))
    return genai.Client(api_key=key, http_options=options)


def told(instructions: str) -> types.HttpOptions:
    return types.HttpOptions(headers={TOLD: instructions})


def play(stack: ProductStack, instructions: str) -> None:
    """The provider answers by these instructions; ours must not reach it from a live key."""
    assert stack.provider is not None
    provider = stack.provider
    provider.script(lambda request: Behaviour.of(provider.default_reply(request, instructions)))


def charged(stack: ProductStack, company: Company, count: int = 1) -> list[Row]:
    """That many rows, each at exactly what the provider bills for it, none above its hold."""
    assert stack.provider is not None
    rows = company.rows(count)
    billed: list[Tokens] = stack.provider.usage_total()
    assert [(row.status, row.flags) for row in rows] == [("settled", [])] * count
    assert [row.cost for row in rows] == [
        PRICES[row.model].bill(usage) for row, usage in zip(rows, billed, strict=True)
    ]
    assert all(row.cost <= row.held for row in rows)
    return rows


# --- OpenAI ----------------------------------------------------------------------------------------------------------


def test_a_response_plain_and_streamed_is_billed_to_the_token(
    stack: ProductStack, company: Company, gpt: openai.OpenAI
) -> None:
    play(stack, "output=40; reasoning=10; cached=2")
    response = gpt.responses.create(model="gpt-5-mini", input="Name some plants.", reasoning={"effort": "low"})
    assert (response.status, len(response.output_text.split())) == ("completed", 30)
    with gpt.responses.stream(model="gpt-5-mini", input="Name some plants.") as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert streamed.output_text == streamed.output_text.strip() != ""
    plain, flowing = charged(stack, company, 2)
    assert (plain.stream, flowing.stream) == (False, True)
    assert plain.usage["reasoning_tokens"] == 10


def test_a_response_calls_the_clients_tools(stack: ProductStack, company: Company, gpt: openai.OpenAI) -> None:
    play(stack, "tool=1; output=12")
    response = gpt.responses.create(model="gpt-5-mini", input="Rain?", tools=[FUNCTION])  # type: ignore[list-item]
    (call,) = response.output
    assert call.type == "function_call" and call.name == "weather" and "city" in json.loads(call.arguments)
    items = [{"role": "user", "content": "Rain?"}, call.to_dict()]
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "Some."})
    play(stack, "output=5")
    again = gpt.responses.create(model="gpt-5-mini", input=items, tools=[FUNCTION])  # type: ignore[arg-type, list-item]
    assert len(again.output_text.split()) == 5
    charged(stack, company, 2)


def test_a_response_that_goes_on_holds_a_window_until_it_is_settled(
    stack: ProductStack, company: Company, gpt: openai.OpenAI
) -> None:
    play(stack, "output=20")
    gpt.responses.create(model="gpt-5-mini", input="Go on.", previous_response_id="resp_1", max_output_tokens=50)
    (row,) = charged(stack, company)
    assert row.held == 400_000 * 250 + 50 * 2_000


@pytest.mark.parametrize("streamed", [False, True])
def test_a_response_that_goes_on_from_one_that_we_passed_holds_its_tokens_and_no_window(
    stack: ProductStack, company: Company, gpt: openai.OpenAI, streamed: bool
) -> None:
    play(stack, "output=20")
    if streamed:
        with gpt.responses.stream(model="gpt-5-mini", input="Name some plants.") as stream:
            first = stream.get_final_response()
    else:
        first = gpt.responses.create(model="gpt-5-mini", input="Name some plants.")
    assert first.usage is not None
    asked = {"input": "Go on.", "previous_response_id": first.id, "max_output_tokens": 50}
    gpt.responses.create(model="gpt-5-mini", **asked)  # type: ignore[call-overload]
    gpt.responses.create(model="gpt-5-mini", input="Go on.", max_output_tokens=50)
    gpt.responses.create(model="gpt-4.1", **asked)  # type: ignore[call-overload]
    held = [row.held for row in company.rows(4)]
    # From the reply; from nothing; by another model, which cuts the same text into other tokens.
    assert held[1] == held[2] + first.usage.total_tokens * 250
    assert held[3] == 1_047_576 * 2_000 + 50 * 8_000


def test_a_response_cut_off_by_its_limit_says_so(stack: ProductStack, company: Company, gpt: openai.OpenAI) -> None:
    play(stack, "output=400")
    stream = gpt.responses.create(model="gpt-5-mini", input="Name plants.", max_output_tokens=16, stream=True)
    last = list(stream)[-1]
    assert last.type == "response.incomplete" and last.response.incomplete_details is not None
    charged(stack, company)


def test_a_stream_of_a_response_that_breaks_is_charged_at_its_hold(
    stack: ProductStack, company: Company, gpt: openai.OpenAI
) -> None:
    play(stack, "output=40; fault=cut:9")
    with pytest.raises(openai.APIError) as caught:
        list(gpt.responses.create(model="gpt-5-mini", input="x", max_output_tokens=100, stream=True))
    assert caught.value.code == "provider_unreachable"
    (row,) = company.rows(1)
    assert (row.status, row.cost) == ("charged_at_hold", row.held)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}, "tools[0]"),
    ],
)
def test_what_has_no_bound_never_reaches_the_provider(
    stack: ProductStack, company: Company, gpt: openai.OpenAI, fields: dict[str, object], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        gpt.responses.create(model="gpt-5-mini", input="x", **fields)  # type: ignore[call-overload]
    assert (caught.value.code, caught.value.param) == ("unbounded_request", param)
    assert stack.provider is not None and stack.provider.count == 0
    company.untouched()


def test_embeddings_and_completions_are_billed_to_the_token(
    stack: ProductStack, company: Company, gpt: openai.OpenAI
) -> None:
    embedded = gpt.embeddings.create(model="text-embedding-3-small", input=["some plants", "more"], dimensions=8)
    assert [len(each.embedding) for each in embedded.data] == [8, 8]
    completion = gpt.completions.create(model="gpt-3.5-turbo-instruct", prompt=["a", "b"], n=2, best_of=3)
    assert len(completion.choices) == 4
    chunks = list(gpt.completions.create(model="gpt-3.5-turbo-instruct", prompt="a", stream=True))
    assert all(chunk.choices for chunk in chunks)  # the chunk with the usage was ours
    charged(stack, company, 3)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # some of the models have a date of shutdown
def test_pictures_speech_and_transcriptions_are_billed_by_their_own_units(
    stack: ProductStack, company: Company, gpt: openai.OpenAI
) -> None:
    asked = {"model": "gpt-image-2", "prompt": "An otter.", "size": "1024x1024", "quality": "low"}
    assert len(gpt.images.generate(**asked, n=2).data or []) == 2  # type: ignore[call-overload]
    events = [event.type for event in gpt.images.generate(**asked, stream=True)]  # type: ignore[call-overload]
    assert events == ["image_generation.completed"]
    spoken = gpt.audio.speech.create(model="tts-1", voice="alloy", input="Good day.").read()
    file = ("day.wav", spoken, "audio/wav")
    heard = gpt.audio.transcriptions.create(model="whisper-1", file=file)
    assert str(len(spoken)) in heard.text
    assert "sound" in gpt.audio.transcriptions.create(model="whisper-1", file=file, response_format="text")
    assert gpt.audio.translations.create(model="whisper-1", file=file).text
    words = gpt.audio.transcriptions.create(model="gpt-4o-mini-transcribe", file=file, stream=True, language="en")
    assert [event.type for event in words][-1] == "transcript.text.done"
    rows = charged(stack, company, 7)
    assert rows[3].usage == {"milliseconds": 1_000} and rows[3].held == rows[3].cost


def test_a_picture_is_edited_and_nothing_of_the_form_is_lost(
    stack: ProductStack, company: Company, gpt: openai.OpenAI
) -> None:
    picture = ("secret name.png", b"\x89PNG\r\n\x1a\n" + bytes(2_000), "image/png")
    reply = gpt.images.edit(
        model="gpt-image-2", prompt="A cat.", image=[picture, picture], size="1024x1024", quality="low"
    )
    assert reply.data
    (row,) = company.rows(1)
    assert row.cost == 2 * 5_000 + 2 * 1_024 * 8_000 + 196 * 30_000
    assert row.cost <= row.held
    assert stack.provider is not None
    (sent,) = stack.provider.requests
    assert sent.body.count(bytes(2_000)) == 2 and b"secret" not in sent.body
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/v1/files", "send files with the request"), ("/v1/batches", "up to a day"), ("/v1/realtime/sessions", "no end")],
)
def test_a_route_without_a_bound_is_refused_with_the_reason(
    stack: ProductStack, company: Company, path: str, reason: str
) -> None:
    with httpx.Client(base_url=stack.base_url, timeout=TIMEOUT, trust_env=False) as http:
        answer = http.post(path, headers={"authorization": f"Bearer {company.key}"}, json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "route_not_metered")
    assert reason in answer.json()["error"]["message"]
    assert stack.provider is not None and stack.provider.count == 0


def test_what_costs_nothing_is_passed_and_leaves_no_row(
    stack: ProductStack, company: Company, gpt: openai.OpenAI
) -> None:
    assert gpt.moderations.create(input="peace").results[0].flagged is False
    assert gpt.responses.input_tokens.count(model="gpt-5-mini", input="Name some plants.").input_tokens > 0
    assert google(stack, company.key).models.count_tokens(model="gemini-2.5-flash", contents="hi").total_tokens
    assert stack.provider is not None and stack.provider.count == 3
    company.untouched()


# --- Google ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [None, "v1beta"], ids=["the client's own", "v1beta"])
def test_gemini_plain_and_streamed_is_billed_to_the_token(
    stack: ProductStack, company: Company, version: str | None
) -> None:
    play(stack, "output=40; reasoning=10; cached=2")
    with google(stack, company.key, version) as client:
        reply = client.models.generate_content(
            model="gemini-2.5-flash",
            contents="Name some plants.",
            config=types.GenerateContentConfig(system_instruction="Be brief.", max_output_tokens=100),
        )
        assert reply.text is not None and len(reply.text.split()) == 30
        chunks = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="Name some plants."))
    assert len("".join(chunk.text or "" for chunk in chunks).split()) == 30
    plain, flowing = charged(stack, company, 2)
    assert (plain.stream, flowing.stream) == (False, True)
    assert flowing.usage["reasoning_tokens"] == 10


def test_gemini_calls_the_clients_functions(stack: ProductStack, company: Company) -> None:
    play(stack, "tool=1; output=12")

    def weather(city: str) -> str:
        """Tells the weather."""
        return "Some rain in " + city

    config = types.GenerateContentConfig(
        tools=[weather], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
    )
    with google(stack, company.key) as client:
        reply = client.models.generate_content(model="gemini-2.5-flash", contents="Rain?", config=config)
    (call,) = reply.function_calls or ()
    assert call.name == "weather" and "city" in (call.args or {})
    charged(stack, company)


def test_gemini_embeddings_are_billed_to_the_token(stack: ProductStack, company: Company) -> None:
    with google(stack, company.key) as client:
        config = types.EmbedContentConfig(output_dimensionality=8)
        reply = client.models.embed_content(model="gemini-embedding-001", contents=["a", "bcd"], config=config)
    assert [len(each.values or []) for each in reply.embeddings or []] == [8, 8]
    charged(stack, company)


def test_a_key_in_the_query_opens_googles_routes_and_goes_no_further(stack: ProductStack, company: Company) -> None:
    play(stack, "output=5")
    path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    with httpx.Client(base_url=stack.base_url, timeout=TIMEOUT, trust_env=False) as http:
        array = http.post(path, params={"key": company.key}, json=body)
        events = http.post(path, params={"key": company.key, "alt": "sse"}, json=body)
        elsewhere = http.post("/v1/responses", params={"key": company.key}, json={"model": "gpt-5-mini", "input": "x"})
    assert [chunk["candidates"][0]["content"]["role"] for chunk in array.json()] == ["model"] * 5
    assert events.text.count("data: ") == 5
    assert elsewhere.status_code == 401
    charged(stack, company, 2)
    assert stack.provider is not None
    assert [request.query for request in stack.provider.requests] == ["", "alt=sse"]
    for request in stack.provider.requests:
        assert request.headers["x-goog-api-key"] == "sk-mock-gemini"
        assert company.key not in str(request.raw_headers) + request.body.decode()
    assert company.key not in stack.output()


def test_gemini_is_refused_at_the_cap_in_googles_words(stack: ProductStack, office: Office) -> None:
    poor = office.company(cap="0.0001", providers=("gemini",))
    with google(stack, poor.key) as client, pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="gemini-2.5-flash", contents="x" * 5000)
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")
    assert caught.value.details["error"]["details"][0]["reason"] == "budget_cap_exceeded"
    assert stack.provider is not None and stack.provider.count == 0
    poor.untouched()


def test_embeddings_at_the_cap_are_told_that_all_is_spent(stack: ProductStack, office: Office) -> None:
    poor = office.company(cap="0.000000001", providers=("openai",))
    with (
        openai.OpenAI(base_url=f"{stack.base_url}/v1", api_key=poor.key, timeout=TIMEOUT) as client,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        client.embeddings.create(model="text-embedding-3-small", input="x" * 5000)
    assert isinstance(caught.value.body, dict)
    assert (caught.value.code, caught.value.body["reason"]) == ("budget_cap_exceeded", "spent")
    poor.untouched()


def test_what_google_cannot_bound_never_reaches_it(stack: ProductStack, company: Company) -> None:
    config = types.GenerateContentConfig(tools=[types.Tool(google_search=types.GoogleSearch())])
    with google(stack, company.key) as client, pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="gemini-2.5-flash", contents="x", config=config)
    info = caught.value.details["error"]["details"][0]
    assert (caught.value.code, info["reason"]) == (400, "unbounded_request")
    assert info["metadata"]["param"] == "tools[0].googleSearch"
    assert stack.provider is not None and stack.provider.count == 0


@pytest.mark.parametrize("version", [None, "v1beta"], ids=["the client's own", "v1beta"])
def test_googles_client_sees_the_models_that_have_a_price(
    stack: ProductStack, company: Company, version: str | None
) -> None:
    with google(stack, company.key, version) as client:
        listed = {model.name for model in client.models.list()}
    assert "models/gemini-2.5-flash" in listed
    assert all(name is not None and name.startswith("models/gemini-") for name in listed)


# --- test mode -------------------------------------------------------------------------------------------------------


def test_a_test_key_is_served_by_the_sandbox_on_every_route(stack: ProductStack, company: Company) -> None:
    """Without a provider account, at real prices."""
    with openai.OpenAI(base_url=f"{stack.base_url}/v1", api_key=company.test_key, timeout=TIMEOUT) as client:
        response = client.responses.create(model="gpt-5-mini", input="x", extra_headers={TOLD: "output=7"})
        assert len(response.output_text.split()) == 7
        assert client.embeddings.create(model="text-embedding-3-small", input="x").data
        assert client.completions.create(model="gpt-3.5-turbo-instruct", prompt="x").choices
        assert client.moderations.create(input="x").results
    with google(stack, company.test_key) as gemini:
        config = types.GenerateContentConfig(http_options=told("output=7"))
        reply = gemini.models.generate_content(model="gemini-2.5-flash", contents="x", config=config)
        assert reply.text is not None and len(reply.text.split()) == 7
        chunks = gemini.models.generate_content_stream(model="gemini-2.5-flash", contents="x", config=config)
        assert len(list(chunks)) == 7
        assert gemini.models.embed_content(model="gemini-embedding-001", contents="x").embeddings
    assert stack.provider is not None and stack.provider.count == 0
