"""A process that drains one company's journal over and over, on the settings of its environment: to be killed."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from budgets import journal  # noqa: E402

if __name__ == "__main__":
    journal.BATCH = int(sys.argv[2])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        journal.drain(sys.argv[1])
