"""The settings that tests run with: secrets of their own, no file or server shared with a running product.

Every pytest process (each xdist worker too) has a data directory of its own. The default address of the embedded Valkey
lies in it: cache, channels, broker and ledger all find the server which the `valkey` fixture starts there.
"""

import atexit
import os
import shutil
import tempfile

if "TOKONOMICS_TEST_OWNER" not in os.environ or os.environ["TOKONOMICS_TEST_OWNER"] != str(os.getpid()):
    _folder = tempfile.mkdtemp(prefix="tokonomics-test-")
    os.environ["TOKONOMICS_TEST_OWNER"] = str(os.getpid())  # a worker inherits our environment, and is not the owner
    os.environ["TOKONOMICS_DATA_DIR"] = _folder
    atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ.setdefault("TOKONOMICS_SECRET_KEY", "a-secret-for-tests-only-and-long-enough-to-pass-the-check")
os.environ.setdefault("TOKONOMICS_ENCRYPTION_KEYS", "J4pXj1mYyN2fK9s0h3v7b6q5w8e1r4t7y0u3i6o9p2A=")

from tokonomics.settings import *  # noqa: F403
from tokonomics.settings import DATA_DIR, DATABASES

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as in production: WAL, locks between threads and connections are real. Only fsync is spared.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
else:
    DATABASES["default"]["ENGINE"] = "tests.support.quick_postgres"
    DATABASES["default"]["CONN_MAX_AGE"] = 0
