"""docs/configuration.md and the settings say the same."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ROW = re.compile(r"^\| `([A-Z_]+)` \| (.+?) \| .+ \|$", re.MULTILINE)
WORDS = {True: "yes", False: "no", "": None}


def in_the_settings() -> dict[str, ast.expr | None]:
    """Every name that the settings read from the environment, and the default that is written there."""
    found: dict[str, ast.expr | None] = {}
    files = sorted((ROOT / "tokonomics" / "settings").glob("*.py"))
    for node in (node for file in files for node in ast.walk(ast.parse(file.read_text()))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = ast.unparse(node.func)
            if function.startswith("env.") or function == "secret":
                defaults = [keyword.value for keyword in node.keywords if keyword.arg == "default"]
                found[node.args[0].value] = defaults[0] if defaults else None
    return found


def in_the_docs() -> dict[str, str]:
    return dict(ROW.findall((ROOT / "docs" / "configuration.md").read_text()))


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    assert set(in_the_docs()) == set(in_the_settings())


@pytest.mark.parametrize("name", sorted(in_the_docs()))
def test_the_documented_default_is_the_one_that_applies(name: str) -> None:
    default = in_the_settings()[name]
    try:
        value = eval(compile(ast.Expression(default), name, "eval"), {}) if default is not None else ""
    except NameError:
        return  # computed from other settings: the docs say so in words
    said = in_the_docs()[name]
    if isinstance(value, bool):
        assert said == WORDS[value]
    elif isinstance(value, (int, float)):
        assert float(said.strip("`")) == value
    elif value and isinstance(value, str):
        assert said == f"`{value}`"
    else:  # an empty default, or a list: said in words, or its members
        assert said == f"`{','.join(value)}`" if value else not said.startswith("`")


def test_nothing_but_the_settings_reads_a_setting_from_the_environment() -> None:
    """`up` alone asks whether a setting was given, and hands all of them on."""
    allowed = {"tokonomics/console/management/commands/up.py", "tokonomics/console/ready.py"}
    reads = re.compile(r"os\.environ(?!\.setdefault\(\"DJANGO_SETTINGS_MODULE\")|os\.getenv")
    sources = [
        path for app in ("tokonomics", "proxy", "alerts", "budgets", "tenants") for path in (ROOT / app).rglob("*.py")
    ]
    readers = {str(path.relative_to(ROOT)) for path in sources if reads.search(path.read_text())}
    assert readers <= allowed
