"""The settings that tests run with: secrets of their own, no file shared with a running product."""

import os
import tempfile

os.environ.setdefault("TOKONOMICS_DATA_DIR", tempfile.mkdtemp(prefix="tokonomics-test-"))
os.environ.setdefault("TOKONOMICS_SECRET_KEY", "a-secret-for-tests-only-and-long-enough-to-pass-the-check")
os.environ.setdefault("TOKONOMICS_ENCRYPTION_KEYS", "J4pXj1mYyN2fK9s0h3v7b6q5w8e1r4t7y0u3i6o9p2A=")

from tokonomics.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
