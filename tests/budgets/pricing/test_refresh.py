"""The table of limits against what is published: nothing changes in silence, and nothing shrinks without a word."""

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from budgets.pricing import refresh
from budgets.pricing.limits import TABLE, Row, read_table
from budgets.pricing.refresh import Way

DAY = date(2026, 11, 25)
BEFORE = date(2026, 1, 1)
ROWS = [
    Row("openai", "gpt-4o", 128_000, 16_384, True, BEFORE, "a page", "a note"),
    Row("openai", "gpt-4", 8_192, 8_192, True, BEFORE, "a page"),
    Row("anthropic", "claude-haiku-4-5", 200_000, 64_000, True, BEFORE, "a page"),
]


def listed(**models: tuple[Any, Any]) -> dict[str, Any]:
    """In the shape of models.dev."""
    given = {name: {"limit": {"context": context, "output": output}} for name, (context, output) in models.items()}
    return {"openai": {"models": given}}


def litellm(**models: tuple[Any, Any]) -> dict[str, Any]:
    given = {
        name: {"litellm_provider": "openai", "max_input_tokens": window, "max_output_tokens": output}
        for name, (window, output) in models.items()
    }
    return {"sample_spec": {}} | given


def changes(document: dict[str, Any]) -> dict[str, Way]:
    published = refresh.published_in(document, "models.dev/api.json", DAY)
    return {change.after.model: change.way for change in refresh.compare(ROWS, published, DAY)}


def test_each_difference_says_which_way_it_goes() -> None:
    found = changes(listed(**{"gpt-4o": (128_000, 16_384), "gpt-4": (8_192, 4_096), "gpt-5": (400_000, 128_000)}))
    assert found == {"gpt-5": Way.NEW, "gpt-4": Way.LOWERED, "gpt-4o": Way.CONFIRMED}
    assert changes(listed(**{"gpt-4": (8_192, 16_384)})) == {"gpt-4": Way.RAISED}
    assert changes(listed(**{"gpt-4": (16_384, 4_096)})) == {"gpt-4": Way.LOWERED}  # one of the two is enough


def test_of_several_names_of_a_model_the_larger_numbers_count_and_what_is_unknown_counts_nothing() -> None:
    document = listed(
        **{
            "gpt-4o-2024-08-06": (128_000, 16_384),
            "gpt-4o": (128_000, 4_096),
            "gpt-unheard-of": (1, 1),
            "gpt-4": (0, None),
            "o3": ("200k", 1),
        }
    )
    assert changes(document) == {"gpt-4o": Way.CONFIRMED}


def test_of_several_lists_the_larger_number_counts_and_the_note_says_who_says_less() -> None:
    one = refresh.published_in(listed(**{"gpt-4": (8_192, 9_000)}), "models.dev/api.json", DAY)
    other = refresh.published_in(litellm(**{"gpt-4": (8_192, 8_500), "o3": (1, None)}), "a file", DAY)
    (change,) = refresh.compare(ROWS, [*one, *other], DAY)
    assert (change.way, change.after.max_output_tokens, change.after.source) == (Way.RAISED, 9_000, one[0].source)
    assert change.after.note == "8500 by litellm in a file"


def test_litellms_list_is_read_by_its_own_names_of_providers_and_models() -> None:
    names = {"together_ai/zai-org/GLM-5.3": 128_000, "fireworks_ai/accounts/fireworks/models/glm-5p2": 9_000}
    document = {"sample_spec": {}} | {
        name: {"litellm_provider": name.partition("/")[0], "max_input_tokens": 10**6, "max_tokens": output}
        for name, output in names.items()
    }
    found = {(each.provider, each.model): each for each in refresh.published_in(document, "litellm/1", DAY)}
    assert found["together", "zai-org/GLM-5.3"].max_output_tokens == 128_000
    assert found["fireworks", "accounts/fireworks/models/glm-5p2"].context_window == 10**6
    azures = {"sample_spec": {}, "azure/gpt-4o": {"litellm_provider": "azure", "max_tokens": 5}}
    assert refresh.published_in(azures, "litellm/1", DAY) == []  # OpenAI's models are OpenAI's rows


def test_what_somebody_decided_and_wrote_down_no_list_changes(table: Path) -> None:
    said, well = run(table, listed(**{"gpt-4o": (1_000_000, 4_096)}), "--write", "--lower")
    assert well and "decided    openai gpt-4o: 128,000 / 16,384 -> 1,000,000 / 4,096" in said
    assert "openai,gpt-4o,128000,16384,yes,2026-01-01,a page,a note" in table.read_text()


def test_a_confirmed_row_gets_the_day_and_keeps_its_page_and_note() -> None:
    published = refresh.published_in(listed(**{"gpt-4o": (128_000, 16_384)}), "models.dev/api.json", DAY)
    rows = refresh.refreshed(ROWS, refresh.compare(ROWS, published, DAY), lower=False)
    assert rows[1] == Row("openai", "gpt-4o", 128_000, 16_384, True, DAY, "a page", "a note")
    assert rows[0] == ROWS[1] and rows[2] == ROWS[2]


def test_a_smaller_number_is_taken_only_if_somebody_says_so() -> None:
    published = refresh.published_in(listed(**{"gpt-4": (8_192, 4_096)}), "models.dev/api.json", DAY)
    found = refresh.compare(ROWS, published, DAY)
    assert ROWS[1] in refresh.refreshed(ROWS, found, lower=False)
    assert refresh.refreshed(ROWS, found, lower=True)[0].max_output_tokens == 4_096


def test_the_wheel_alone_can_raise_a_window_and_nothing_else() -> None:
    small = [Row("openai", "gpt-4o", 100_000, 16_384, True, BEFORE, "a page")]
    found = refresh.compare(small, refresh.published_in_wheel(), DAY)
    assert [(change.way, change.after.context_window, change.after.max_output_tokens) for change in found] == [
        (Way.RAISED, 128_000, 16_384)
    ]


def test_our_own_table_is_written_as_it_is_read() -> None:
    text = TABLE.read_text()
    assert refresh.written(read_table(text.splitlines())) == text


@pytest.mark.parametrize("wrong", ["provider,model\n", "", "x"])
def test_a_table_of_another_shape_is_no_table(wrong: str) -> None:
    with pytest.raises(ValueError, match="columns"):
        read_table(wrong.splitlines())


# --- The command -----------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "limits.csv"
    path.write_text(refresh.written(ROWS))
    return path


def run(table: Path, document: Any, *options: str) -> tuple[str, bool]:
    """What it says, and whether it found everything as it should be."""
    source = table.with_name("published.json")
    source.write_text(json.dumps(document))
    out = io.StringIO()
    try:
        call_command("refresh_limits", "--table", str(table), "--from", str(source), *options, stdout=out)
    except CommandError as error:
        assert error.returncode == 1, error
        return out.getvalue(), False
    return out.getvalue(), True


def test_the_command_shows_a_difference_and_writes_nothing_unasked(table: Path) -> None:
    before = table.read_text()
    said, well = run(table, listed(**{"gpt-4": (8_192, 16_384)}))
    assert not well and table.read_text() == before
    assert "raised     openai gpt-4: 8,192 / 8,192 -> 16,384 / 16,384" in said
    assert "\n-openai,gpt-4,8192,8192" in said and "\n+openai,gpt-4,16384,16384" in said


def test_asked_to_write_it_writes_all_but_what_would_shrink(table: Path) -> None:
    document = listed(**{"gpt-4": (8_192, 4_096), "gpt-5": (400_000, 128_000)})
    _, well = run(table, document, "--write")
    rows = {row.model: row for row in read_table(table.read_text().splitlines())}
    assert not well and rows["gpt-5"].max_output_tokens == 128_000 and rows["gpt-4"].max_output_tokens == 8_192
    assert run(table, document, "--write", "--lower")[1]
    assert "openai,gpt-4,8192,4096" in table.read_text()
    assert run(table, document)[1]


def test_what_is_no_list_is_an_error_and_changes_nothing(table: Path) -> None:
    before = table.read_text()
    for document in ([], {"openai": {"models": []}}):
        with pytest.raises(AssertionError, match="cannot be read as a list"):
            run(table, document, "--write")
    assert table.read_text() == before
