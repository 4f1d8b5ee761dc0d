"""The same tests, another database: what runs on SQLite above runs on PostgreSQL here, in a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.postgres import PostgresServer

TESTS = Path(__file__).resolve().parent.parent
# Where a query, a lock or a constraint decides something. Pages only read through what is tested here.
FOLDERS = ["alerts", "api", "budgets", "tenants"]
# Drain, rebuild and audit: locks here, and scripts on several servers there.
ON_CLUSTER = "scale/test_recovery_on_cluster.py"
# These ask about input, words, prices or the network. Such queries as they make are those of the files beside them.
NOT_ABOUT_IT = [
    "*/test_pages.py",
    "*/alerts/test_channels.py",
    "*/alerts/test_email.py",
    "*/api/test_docs.py",
    "*/api/test_estimate.py",
    "*/api/test_fuzz.py",
    "*/api/test_isolation.py",
    "*/api/test_prices.py",
    "*/api/test_protocol.py",
    "*/api/test_provider_credentials.py",
]
# A test's thread that ends without closing its connection matters to nobody, and psycopg says so.
LEFT_OPEN = "ignore:<psycopg.Connection:ResourceWarning"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", LEFT_OPEN]
PYTEST += ["-m", "database and not (stack or browser or sqlite)"]
PYTEST += [f"--ignore-glob={pattern}" for pattern in NOT_ABOUT_IT]


def test_the_suite_starts_a_postgres_of_its_own(postgres: PostgresServer) -> None:
    import psycopg

    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("tokonomics",)


@pytest.mark.timeout(600)
def test_the_database_tests_pass_on_postgres(postgres: PostgresServer) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "TOKONOMICS_"))}
    environment |= {"DATABASE_URL": postgres.url}
    done = subprocess.run(
        [*PYTEST, *(f"tests/{place}" for place in (*FOLDERS, ON_CLUSTER))],
        cwd=TESTS.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def test_what_is_left_out_is_there() -> None:
    assert all(list(TESTS.rglob(pattern.removeprefix("*/"))) for pattern in NOT_ABOUT_IT), "mend NOT_ABOUT_IT"
