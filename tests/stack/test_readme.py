"""What the README shows works as it stands, but for the address and the key."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import ROOT, ProductStack

README = (ROOT / "README.md").read_text()
SHOWN = re.findall(r"^```(\w+)\n(.+?)^```", README, re.MULTILINE | re.DOTALL)


def shown(language: str) -> list[str]:
    return [text for name, text in SHOWN if name == language]


@pytest.fixture(scope="module")
def key(shared_stack: ProductStack) -> str:
    if not shared_stack.running():
        shared_stack.start()
    return str(shared_stack.create_tenant()["api_key"])


def here(example: str, stack: ProductStack, key: str) -> str:
    assert "http://127.0.0.1:8000" in example
    assert "tk_live_..." in example
    return example.replace("http://127.0.0.1:8000", stack.base_url).replace("tk_live_...", key)


@pytest.mark.parametrize("example", shown("python"), ids=["openai", "anthropic"])
def test_the_python_examples_run(example: str, stack: ProductStack, key: str) -> None:
    names: dict[str, Any] = {}
    exec(here(example, stack, key), names)
    names["client"].close()
    assert names["reply"].usage
    assert stack.provider is not None
    assert stack.provider.count == 1


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("example", shown("sh"), ids=["curl"])
def test_the_curl_example_runs(example: str, stack: ProductStack, key: str) -> None:
    command = shlex.split(here(example, stack, key).replace("\\\n", " "))
    done = subprocess.run(
        [command[0], "--silent", *command[1:]], capture_output=True, text=True, check=True, timeout=30
    )
    assert json.loads(done.stdout)["choices"]


def test_every_client_that_the_design_names_has_one_example() -> None:
    assert [name for name, _ in SHOWN] == ["python", "python", "js", "sh"]


def test_every_link_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links
    assert [link for link in links if not Path(ROOT, link).exists()] == []
