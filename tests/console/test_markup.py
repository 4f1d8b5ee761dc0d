"""What a screen reader needs of every template, whether a browser test visits it or not."""

import re
from pathlib import Path

import pytest
from django.conf import settings

TEMPLATES = settings.BASE_DIR / "templates"
PAGES = [
    path
    for path in sorted(TEMPLATES.rglob("*.html"))
    if not path.match("alerts/email*.html")  # its tables are its layout, and say so
]
NAMES_ITSELF = re.compile(r'\b(?:id|aria-label|aria-labelledby)="|type="hidden"')


def read(path: Path) -> str:
    return re.sub(r"{% comment %}.*?{% endcomment %}|{#.*?#}", "", path.read_text(), flags=re.S)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_tables_fields_and_pictures_have_names(path: Path) -> None:
    text = read(path)
    for table in re.findall(r"<table\b.*?</table>", text, re.S):
        assert re.search(r"<table[^>]*>\s*<caption", table), "a table without a caption"
        assert not re.search(r"<th(?![^>]*\bscope=)[\s>]", table), "a heading that does not say of what"
    for row in re.findall(r"<tr\b.*?</tr>", text, re.S):
        assert not re.search(r"<th(?![^>]*\bscope=)[\s>]", row)
    for field in re.findall(r"<(?:input|select|textarea)\b[^>]*>", text):
        assert NAMES_ITSELF.search(field), field
    for picture in re.findall(r"<(?:img|svg)\b[^>]*>", text):
        assert re.search(r"\balt=|aria-hidden=|role=|aria-label", picture) or "<svg x=" in picture, picture


def test_live_regions_wait_for_a_pause() -> None:
    """Nothing breaks into what is being read, but what is wrong with a form just sent, or asked about it."""
    for path in PAGES:
        text = read(path)
        assert 'aria-live="assertive"' not in text, path
        alerts = re.findall(r'<[^>]*role="alert"[^>]*>', text)
        assert all(re.search("problem|error|cap-hint", tag) for tag in alerts), (path, alerts)
