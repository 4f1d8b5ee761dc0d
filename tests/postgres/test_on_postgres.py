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
# Drain, rebuild and audit: locks here, scripts on several servers there.
ON_CLUSTER = "scale/test_recovery_on_cluster.py"
# A test's thread that ends without closing its connection matters to nobody, and psycopg says so.
LEFT_OPEN = "ignore:<psycopg.Connection:ResourceWarning"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", LEFT_OPEN]
PYTEST += ["--ignore-glob=*/test_pages.py"]
PYTEST += ["--ignore-glob=*/test_fuzz.py"]  # they ask about input, not about the database, and take long


def test_the_suite_starts_a_postgres_of_its_own(postgres: PostgresServer) -> None:
    import psycopg

    with psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("tokonomics",)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("place", [*FOLDERS, ON_CLUSTER])
def test_the_database_tests_pass_on_postgres(place: str, postgres: PostgresServer) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "TOKONOMICS_"))}
    environment |= {"DATABASE_URL": postgres.url}
    selection = "database and not (stack or browser or sqlite)"
    done = subprocess.run(
        [*PYTEST, "-m", selection, f"tests/{place}"],
        cwd=TESTS.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
