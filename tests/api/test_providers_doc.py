"""docs/providers.md and the table of providers say the same."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from proxy.providers.compatible_wires import WIRES
from tenants.providers import PROVIDERS, REFUSED, Provider

DOCS = Path(__file__).resolve().parents[2] / "docs"
ROW = re.compile(r"^\| ([^|]+) \| `([a-z]+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
ROWS = {found[2]: found for found in ROW.finditer((DOCS / "providers.md").read_text())}
NAMES = {"/chat/completions": "chat", "/completions": "completions", "/embeddings": "embeddings"}


def test_every_provider_is_documented_and_no_other() -> None:
    assert ROWS.keys() == {each.id for each in PROVIDERS}


@pytest.mark.parametrize("each", PROVIDERS, ids=lambda each: each.id)
def test_its_row_says_what_is_so(each: Provider) -> None:
    _, title, _, models, reached, served = ROWS[each.id].group(0, 1, 2, 3, 4, 5)
    assert title == each.title
    assert (f"`{each.id}/" in models) is each.prefixed
    assert (f"`{each.setting}`" in reached) is bool(each.base_url)
    for wire in WIRES:
        if wire.provider == each.id:
            assert served == ", ".join(NAMES[path] for path in wire.serves)


def test_the_settings_have_every_provider_at_the_address_that_it_publishes() -> None:
    assert {each.id for each in PROVIDERS if each.base_url} == set(settings.PROVIDER_BASE_URLS)
    documented = (DOCS / "configuration.md").read_text()
    for each in PROVIDERS:
        if each.base_url:
            assert f"| `{each.setting}` | `{each.base_url}` |" in documented


def test_what_is_refused_by_name_is_explained() -> None:
    text = (DOCS / "providers.md").read_text()
    assert REFUSED.keys() == {"bedrock", "vertex"} and "**Amazon Bedrock**" in text and "**Vertex AI**" in text
