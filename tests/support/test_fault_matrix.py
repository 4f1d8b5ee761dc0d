"""docs/reliability.md says of each fault which tests prove what; the marks of the tests are where that comes from."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import fault_matrix
from tests.support.fault_matrix import BadMark, Proof, page_with, proofs_of, table
from tests.support.stack import ROOT


def test_the_page_says_what_the_marks_say() -> None:
    """In a process of its own: a collection inside a collection would share its state."""
    command = [sys.executable, "-m", "tests.support.fault_matrix"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_row_is_a_fault_and_a_cell_names_its_tests() -> None:
    proofs = [
        Proof("Redis: frozen", "P4", "tests/a.py", "test_it_refuses"),
        Proof("Redis: frozen", "P1", "tests/b.py", "test_the_cap_holds"),
        Proof("Redis: frozen", "P1", "tests/c.py", "test_so_does_this"),
        Proof("client: leaves", "P3", "tests/d.py", "test_one_row"),
    ]
    head, _, redis, client = table(proofs).splitlines()
    assert head.startswith("| fault | P1: ") and "P2" not in head
    cap, row, refused = (
        "[the cap holds](../tests/b.py); [so does this](../tests/c.py)",
        "",
        "[it refuses](../tests/a.py)",
    )
    assert redis == f"| Redis: frozen | {cap} | {row} | {refused} |"
    assert client == "| client: leaves |  | [one row](../tests/d.py) |  |"


@pytest.mark.parametrize(
    ("arguments", "promises"),
    [((), ("P1",)), (("no part named",), ("P1",)), (("Redis: down",), ()), (("Redis: down",), ("P9",))],
)
def test_a_mark_that_says_nothing_is_an_error(arguments: tuple[str, ...], promises: tuple[str, ...]) -> None:
    item: Any = SimpleNamespace(nodeid="tests/x.py::test_x")
    with pytest.raises(BadMark):
        proofs_of(item, pytest.mark.fault(*arguments, promises=promises).mark)


def test_what_people_wrote_around_the_table_stays() -> None:
    page = f"before\n{fault_matrix.BEGIN}old\n{fault_matrix.END}after\n"
    assert page_with(page, "new\n") == f"before\n{fault_matrix.BEGIN}\nnew\n\n{fault_matrix.END}after\n"
    with pytest.raises(ValueError, match="lacks"):
        page_with("no place", "new\n")
