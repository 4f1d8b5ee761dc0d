"""Who sits at the desk in tests of pages; each file founds its own company as `fernhill`."""

import pytest
from django.test import Client

from tests.support.fernhill import Fernhill
from tests.support.people import at_desk


@pytest.fixture
def owner(fernhill: Fernhill) -> Client:
    """The company's owner, logged in."""
    return at_desk(fernhill.owner)
