"""Every setting, read from the environment in this folder alone; docs/configuration.md lists them (a test compares)."""

from tokonomics.settings.accounts import *
from tokonomics.settings.api import *
from tokonomics.settings.environment import *
from tokonomics.settings.ledger import *
from tokonomics.settings.logs import *
from tokonomics.settings.providers import *
from tokonomics.settings.stores import *
from tokonomics.settings.web import *
