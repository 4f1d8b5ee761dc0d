"""Pictures, speech and transcriptions: what is refused, what is bounded, what goes out, what is charged."""

from datetime import date

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets.pricing import drawing
from budgets.pricing.catalogue import find
from budgets.pricing.cost import cost
from budgets.pricing.rates import Purpose
from budgets.pricing.usage import Usage, UsageUnknown
from proxy.providers import multipart
from proxy.providers.bounds import quote_of
from proxy.providers.openai_images import NEVER, OPENAI_IMAGE_EDITS, OPENAI_IMAGES
from proxy.providers.openai_speech import OPENAI_SPEECH
from proxy.providers.openai_transcriptions import OPENAI_TRANSCRIPTIONS, OPENAI_TRANSLATIONS
from tests.proxy.providers.forms import BOUNDARY, HEADERS, form
from tests.proxy.providers.sounds import mp3, wav
from tests.proxy.providers.support import fixture, refusal, run

TODAY = date(2026, 11, 24)
PICTURE = ("otter.png", b"\x89PNG\r\n\x1a\n-----")
SECONDS_8 = ("speech.wav", wav(7.2))


def images(**fields):
    body = {"model": "gpt-image-2", "prompt": "an otter", "quality": "low", "size": "1024x1024", **fields}
    return OPENAI_IMAGES.parse(orjson.dumps(body), {}, frozenset())


def edits(allowed=frozenset(), **fields):
    return OPENAI_IMAGE_EDITS.parse(
        form({"model": "gpt-image-2", "prompt": "a cat", "image": PICTURE, **fields}), HEADERS, allowed
    )


def speech(**fields):
    body = {"model": "tts-1", "input": "Hello.", "voice": "alloy", **fields}
    return OPENAI_SPEECH.parse(orjson.dumps(body), {}, frozenset())


def transcription(adapter=OPENAI_TRANSCRIPTIONS, **fields):
    return adapter.parse(form({"model": "whisper-1", "file": SECONDS_8, **fields}), HEADERS, frozenset())


def held(parsed, purpose):
    model = find("openai", parsed.model, TODAY, purpose=purpose)
    quote = quote_of(parsed, model, default_limit=1000, floor=100)
    assert (quote.least, quote.affordable(quote.most)) == (quote.most, 0)
    return quote.most


def charged(adapter, parsed, reply, purpose):
    meter = adapter.meter(parsed)
    if "stream" in reply:
        assert run(meter, fixture(reply)) == fixture(reply)
    else:
        meter.feed_body(fixture(reply))
    return cost(find("openai", parsed.model, TODAY, purpose=purpose), meter.usage())


# --- pictures


@pytest.mark.parametrize(
    ("size", "quality", "tokens"),
    [
        # As OpenAI's own calculator says, and as replies on record were billed.
        ("1024x1024", "low", 196), ("1024x1024", "medium", 1_756), ("1024x1024", "high", 7_024),
        ("1536x1024", "high", 5_488), ("1792x1024", "high", 5_063), ("3584x2048", "high", 12_329),
        ("3840x2160", "high", 13_342), ("1024x1024", "auto", 7_024), ("auto", "low", 659),
    ],
)  # fmt: skip
def test_a_picture_is_bounded_by_the_published_formula(size, quality, tokens):
    assert drawing.drawn("gpt-image-2", size, quality) == tokens
    assert images(size=size, quality=quality).at_most.image_output_tokens == tokens


def test_a_model_whose_formula_is_not_published_holds_twice_that_or_is_refused():
    assert drawing.drawn("gpt-image-2.5-flare", "1024x1024", "high") == 2 * 7_024
    assert drawing.shown("gpt-image-2.5-sunburst", high_fidelity=False) == 2 * 2_048
    for quality in ("auto", "xhigh", "max"):
        assert refusal(images, model="gpt-image-2.5-flare", quality=quality).param == "quality"
    assert refusal(images, model="gpt-image-1.5").param == "model"
    assert refusal(images, model="chatgpt-image-latest").code == "unbounded_request"


def test_older_models_are_bounded_by_their_tables():
    assert drawing.drawn("gpt-image-1", "1024x1536", "high") == 6_240
    assert drawing.drawn("gpt-image-1", "auto", "auto") == 6_240
    assert drawing.drawn("gpt-image-1-mini", "1024x1024", "low") == 688
    assert refusal(images, model="gpt-image-1", size="2048x2048").param == "size"


@given(st.integers(64, 4_096), st.integers(64, 4_096), st.sampled_from(["low", "medium", "high", "auto"]))
def test_no_size_costs_more_than_one_left_open(width, height, quality):
    try:
        tokens = drawing.drawn("gpt-image-2", f"{width}x{height}", quality)
    except drawing.NotDrawn as error:
        assert not error.unbounded
    else:
        assert 0 < tokens <= drawing.drawn("gpt-image-2", "auto", quality)


def test_each_picture_of_several_and_each_partial_one_is_held():
    one, three = images(), images(n=3, stream=True, partial_images=2)
    assert three.at_most.image_output_tokens == 3 * (one.at_most.image_output_tokens + 200)
    assert three.at_most.input_tokens == 3 * one.at_most.input_tokens
    assert held(one, Purpose.IMAGE) == 196 * 30_000 + one.at_most.input_tokens * 5_000


@pytest.mark.parametrize("name", [*NEVER, "shiny_new_thing"])
def test_fields_of_pictures_without_a_bound_are_refused_by_name(name):
    assert (refusal(images, **{name: 1}).code, refusal(images, **{name: 1}).param) == ("unbounded_request", name)
    assert refusal(edits, **{name: "1"}).param == name


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 0}, {"n": 11}, {"n": True}, {"size": "1x1"}, {"size": "1000x1000"}, {"size": "4096x4096"},
        {"size": "3840x1024"}, {"size": 5}, {"model": None}, {"stream": "yes"}, {"partial_images": 4},
        {"n": 10, "size": "2048x2048"}, {"prompt": 5},
    ],
)  # fmt: skip
def test_a_value_of_a_picture_that_cannot_be_is_refused(fields):
    assert refusal(images, **fields).code == "invalid_request"


def test_moving_and_drawn_up_formats_are_refused():
    for form_ in ("gif", "svg"):
        assert refusal(images, output_format=form_).code == "unbounded_request"
    assert images(output_format="webp")


def test_a_reply_too_large_to_pass_is_refused_before_it_is_paid_for():
    assert images(size="auto", n=1)
    assert "stream it" in refusal(images, size="auto", n=2).message or refusal(images, size="auto", n=2).param == "n"
    assert images(size="auto", n=2, stream=True)


def test_pictures_that_go_in_are_held_by_their_number():
    one, two = edits(), edits(image=[PICTURE, PICTURE], mask=PICTURE)
    assert one.at_most.image_input_tokens == 2_048
    assert two.at_most.image_input_tokens == 3 * 2_048
    assert edits(model="gpt-image-1-mini").at_most.image_input_tokens == 65 + 8 * 129
    faithful = edits(model="gpt-image-1", input_fidelity="high")
    assert faithful.at_most.image_input_tokens == 65 + 8 * 129 + 6_240
    assert refusal(edits, image="not a file").param == "image"


@pytest.mark.parametrize(
    ("reply", "parsed", "adapter", "nanodollars"),
    [
        # gpt-image-2: $5.00 text in, $8.00 pictures in, $30.00 pictures out.
        ("images_plain.json", images(quality="medium"), OPENAI_IMAGES, 22 * 5_000 + 1_756 * 30_000),
        ("images_stream.sse", images(quality="high", stream=True), OPENAI_IMAGES, 20 * 5_000 + 7_024 * 30_000),
        (
            "images_plain_edit.json", edits(quality="high", size="3840x2160"), OPENAI_IMAGE_EDITS,
            228 * 5_000 + 1_450 * 8_000 + 13_342 * 30_000,
        ),
        (
            "images_stream_edit.sse", edits(quality="high", stream="true", partial_images="1"), OPENAI_IMAGE_EDITS,
            28 * 5_000 + 997 * 8_000 + 7_124 * 30_000,
        ),
    ],
)  # fmt: skip
def test_a_picture_on_record_costs_what_the_price_list_says_and_no_more_than_was_held(
    reply, parsed, adapter, nanodollars
):
    assert charged(adapter, parsed, reply, Purpose.IMAGE) == nanodollars
    assert nanodollars <= held(parsed, Purpose.IMAGE)


def test_a_stream_of_several_pictures_is_complete_with_the_last():
    meter = OPENAI_IMAGES.meter(images(n=2, stream=True))
    meter.feed(fixture("images_stream.sse"))
    assert not meter.complete
    meter.feed(fixture("images_stream.sse"))
    assert meter.complete
    assert meter.usage().image_output_tokens == 2 * 7_024


def test_a_picture_drawn_up_by_another_model_is_charged_at_the_hold():
    meter = OPENAI_IMAGES.meter(images())
    meter.feed_body(b'{"svg_usage":{"model":"gpt-6"},"usage":{"input_tokens":1,"output_tokens":1}}')
    with pytest.raises(UsageUnknown):
        meter.usage()


# --- speech


def test_speech_is_held_and_charged_by_the_character():
    parsed = speech(input="é\N{GRINNING FACE}" * 100)
    assert parsed.at_most == Usage(characters=300)
    assert held(parsed, Purpose.SPEECH) == 300 * 15_000
    meter = OPENAI_SPEECH.meter(parsed)
    assert run(meter, b"ID3", b"sound") == b"ID3sound"
    assert meter.complete
    assert meter.usage() == Usage(characters=300)
    assert held(speech(model="tts-1-hd"), Purpose.SPEECH) == 6 * 30_000


def test_speech_that_may_go_on_for_any_time_is_refused():
    refused = refusal(speech, model="gpt-4o-mini-tts")
    assert (refused.code, refused.param) == ("unbounded_request", "model")
    assert refusal(speech, input="").code == "invalid_request"
    assert refusal(speech, input=None).code == "invalid_request"
    assert refusal(speech, extra=1).code == "unbounded_request"


# --- transcriptions


@pytest.mark.parametrize(("model", "a_second"), [("whisper-1", 100_000), ("gpt-transcribe", 75_000)])
def test_sound_is_held_by_its_length_in_whole_seconds(model, a_second):
    assert held(transcription(model=model), Purpose.TRANSCRIPTION) == 8 * a_second


def test_sound_billed_by_tokens_is_held_at_the_densest_and_the_longest_text():
    parsed = transcription(model="gpt-4o-transcribe", prompt="names")
    assert parsed.at_most.audio_input_tokens == 8 * 20
    assert parsed.at_most.output_tokens == 2_000
    cut = transcription(model="gpt-4o-transcribe", chunking_strategy="auto")
    assert cut.at_most.output_tokens == 2 * 2_000
    referred = transcription(model="gpt-4o-transcribe-diarize", **{"known_speaker_references[]": ["data:x", "data:y"]})
    assert referred.at_most.audio_input_tokens == (8 + 60) * 20


def test_sound_of_unknown_length_is_refused_with_what_would_do():
    refused = refusal(transcription, file=("speech.mp3", b"no sound"))
    assert (refused.code, refused.param) == ("unbounded_request", "file")
    assert "MP3" in refused.message
    assert refusal(transcription, file="text").code == "invalid_request"
    assert refusal(transcription, file=[SECONDS_8, SECONDS_8]).code == "invalid_request"
    assert refusal(transcription, OPENAI_TRANSLATIONS, language="en").param == "language"


@pytest.mark.parametrize(
    ("reply", "parsed", "nanodollars"),
    [
        # whisper-1: $0.006 a minute. gpt-4o-transcribe: $2.50 text in, $6.00 sound in, $10.00 out.
        ("transcription_plain.json", transcription(), 8 * 100_000),
        ("transcription_plain_verbose.json", transcription(file=("a.wav", wav(8.4))), 847_100),
        (
            "transcription_plain_tokens.json", transcription(model="gpt-4o-transcribe"),
            4 * 2_500 + 80 * 6_000 + 45 * 10_000,
        ),
        ("transcription_stream.sse", transcription(model="gpt-4o-transcribe", stream="true"), 14 * 6_000 + 45 * 10_000),
    ],
)  # fmt: skip
def test_a_transcription_on_record_costs_what_the_price_list_says_and_no_more_than_was_held(reply, parsed, nanodollars):
    assert charged(OPENAI_TRANSCRIPTIONS, parsed, reply, Purpose.TRANSCRIPTION) == nanodollars
    assert nanodollars <= held(parsed, Purpose.TRANSCRIPTION)


@pytest.mark.parametrize("body", [b"Hello there.", b"1\n00:00:00,000 --> 00:00:08,000\nHello", b'{"text":"x"}', b""])
def test_a_reply_that_names_no_length_is_charged_by_the_length_of_its_sound(body):
    meter = OPENAI_TRANSCRIPTIONS.meter(transcription(response_format="srt"))
    meter.feed_body(body)
    assert meter.usage() == Usage(milliseconds=8_000)


@pytest.mark.parametrize("seconds", ["-1", '"8"', "true", "1e30", "[]"])
def test_an_absurd_length_is_unknown(seconds):
    meter = OPENAI_TRANSCRIPTIONS.meter(transcription())
    meter.feed_body(b'{"text":"x","usage":{"type":"duration","seconds":%s}}' % seconds.encode())
    with pytest.raises(UsageUnknown):
        meter.usage()


def test_tokens_that_nobody_counted_are_unknown():
    meter = OPENAI_TRANSCRIPTIONS.meter(transcription(model="gpt-4o-transcribe"))
    meter.feed_body(b'{"text":"x"}')
    with pytest.raises(UsageUnknown):
        meter.usage()


# --- forms


def test_what_goes_out_is_the_form_that_was_read_under_a_name_of_ours():
    parsed = transcription(prompt="Hé\r\n--" + BOUNDARY[:-1], file=("my secret.mp3", mp3(10)), temperature="0")
    sent = OPENAI_TRANSCRIPTIONS.render(parsed, 0)
    headers = dict(OPENAI_TRANSCRIPTIONS.request_headers({"content-type": "x"}, "sk"))
    kind = headers[b"content-type"].decode()
    assert BOUNDARY.encode() + b"\r\nContent" not in sent
    assert b"secret" not in sent
    again = multipart.read(sent, {"content-type": kind})
    assert [(part.name, part.data) for part in again] == [
        ("model", b"whisper-1"), ("file", mp3(10)), ("prompt", ("Hé\r\n--" + BOUNDARY[:-1]).encode()),
        ("temperature", b"0"),
    ]  # fmt: skip
    assert [part.ending for part in again] == [None, ".mp3", None, None]


@pytest.mark.parametrize(
    ("disposition", "ending"),
    [
        ('form-data; name="file"; filename="Tag eins.MP3"', ".mp3"),
        ("form-data; name=file; filename=day.wav", ".wav"),
        ("form-data; name=\"file\"; filename*=utf-8''n%C3%A4chstes.ogg", ".ogg"),
        ("form-data; name=file; filename=day.wav; filename*=utf-8''day.wav", ".wav"),
        ('form-data; name="file"; filename="tägliches.m4a"', ".m4a"),
        ('form-data; name="file"; filename="no ending"', ""),
        ('form-data; name="file"', None),
    ],
)
def test_a_file_is_known_however_a_client_writes_its_name(disposition, ending):
    body = f"--b\r\ncontent-disposition: {disposition}\r\n\r\nx\r\n--b--\r\n".encode()
    (part,) = multipart.read(body, {"content-type": 'multipart/form-data; boundary="b"'})
    assert (part.name, part.data, part.ending) == ("file", b"x", ending)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (form({"a": "b"}), {}),
        (form({"a": "b"}), {"content-type": "application/json"}),
        (form({"a": "b"}), {"content-type": "multipart/form-data"}),
        (form({"a": "b"}), {"content-type": "multipart/form-data; boundary=other"}),
        (form({"a": "b"})[:-8], HEADERS),
        (b"preamble" + form({"a": "b"}), HEADERS),
        (form({"a": "b"}) + b"epilogue", HEADERS),
        (form({"a": "b"}).replace(b"form-data; name", b"form-data; nom"), HEADERS),
        (form({"a": "b"}).replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1), HEADERS),
        (form({"a": "b"}).replace(b"\r\n\r\n", b"\r\nX-Other: 1\r\n\r\n", 1), HEADERS),
        (form({f"a{number}": "b" for number in range(65)}), HEADERS),
        (b"", HEADERS),
    ],
)
def test_a_form_that_could_be_read_in_two_ways_is_refused(body, headers):
    assert refusal(multipart.read, body, headers).code == "invalid_request"


@pytest.mark.parametrize(
    "fields",
    [{"a": ["1", "2"]}, {"a": "1", "a[]": "2"}, {"a[x]": ["1", "2"]}, {"a[]": "1", "a[x]": "1"}, {"a[b": "1"}],
)  # fmt: skip
def test_a_field_given_twice_is_refused(fields):
    assert refusal(multipart.payload_of, multipart.read(form(fields), HEADERS)).code == "invalid_request"


def test_a_form_is_read_as_the_object_that_it_stands_for():
    fields = {"n": "3", "stream": "true", "a[]": ["1", "2"], "c[type]": "server_vad", "c[x]": "5", "f[]": PICTURE}
    payload = multipart.payload_of(multipart.read(form(fields), HEADERS), numbers={"n"}, flags={"stream"})
    assert payload | {"f": len(payload["f"])} == {
        "n": 3, "stream": True, "a": ["1", "2"], "c": {"type": "server_vad", "x": "5"}, "f": 1,
    }  # fmt: skip
    for bad in ({"n": "three"}, {"n": "1.5"}, {"stream": "yes"}, {"n": ""}):
        parts = multipart.read(form(bad), HEADERS)
        assert refusal(multipart.payload_of, parts, numbers={"n"}, flags={"stream"}).code == "invalid_request"


@given(st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.binary(max_size=40), max_size=4))
def test_any_form_comes_out_as_it_went_in(fields):
    if not fields or any(b"\r\n--" + BOUNDARY.encode() in b"\r\n" + data for data in fields.values()):
        return
    parts = multipart.read(form({name: ("x.bin", data) for name, data in fields.items()}), HEADERS)
    sent = multipart.read(multipart.write(parts), {"content-type": multipart.CONTENT_TYPE.decode()})
    assert {part.name: part.data for part in sent} == fields
