"""How numbers and times are written: the pages' name for `budgets.presentation`, which alerts write by too."""

from budgets.presentation import *  # noqa: F403
