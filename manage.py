#!/usr/bin/env python
"""Django's command line for Tokonomics."""

import argparse
import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tokonomics.settings")
    if sys.argv[1:2] == ["up"]:
        _take_data_dir(sys.argv[2:])
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def _take_data_dir(arguments: list[str]) -> None:
    """The settings lie behind `--data-dir`, so it is read before them."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--data-dir")
    known, _ = parser.parse_known_args(arguments)
    if known.data_dir:
        os.environ["TOKONOMICS_DATA_DIR"] = known.data_dir


if __name__ == "__main__":
    main()
