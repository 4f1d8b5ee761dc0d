"""The proof of the proofs: that it can tell a killed mutation from one that survived, and that its guards exist."""

import ast
from pathlib import Path

import pytest

from tests.support.guards import GUARDS
from tests.support.mutations import Guard, Verdict, judge, summary
from tests.support.stack import ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "wall.py").write_text("def passes(spent, cap):\n    return spent < cap\n")
    (tmp_path / "test_wall.py").write_text(
        "from wall import passes\n\n\ndef test_less_passes():\n    assert passes(1, 2)\n\n\n"
        "def test_more_does_not():\n    assert not passes(3, 2)\n\n\ndef test_nothing():\n    pass\n"
    )
    return tmp_path


def without(test: str, text: str = "spent < cap") -> Guard:
    return Guard("the wall", "wall.py", text, "True", (f"test_wall.py::{test}",))


def test_a_guard_that_a_test_misses_is_told_from_one_that_it_does_not(tree: Path) -> None:
    before = (tree / "wall.py").read_text()
    verdicts = [judge(without(test), tree) for test in ("test_more_does_not", "test_nothing")]
    assert [outcome.verdict for outcome in verdicts] == [Verdict.KILLED, Verdict.SURVIVED]
    assert (tree / "wall.py").read_text() == before, "what was taken away is back"
    assert summary(verdicts) == "2 guards taken away one at a time: 1 noticed, 1 not, 0 not judged"


def test_a_guard_that_is_not_there_is_not_taken_for_noticed(tree: Path) -> None:
    assert judge(without("test_more_does_not", "spent <= cap"), tree).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_each_guard_stands_once_where_it_is_looked_for_and_has_its_test(guard: Guard) -> None:
    assert guard.found_in(ROOT) == 1, f"{guard.text!r} in {guard.file}: mend tests/support/guards.py"
    for test in guard.tests:
        path, _, name = test.partition("::")
        written = ast.parse((ROOT / path).read_text()).body
        assert name in [each.name for each in written if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_no_two_guards_have_one_name() -> None:
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)
