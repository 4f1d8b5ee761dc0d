"""A tenant's address: `/t/<slug>/`."""

import secrets

from django.utils.text import slugify

from tenants.errors import InvalidValue, SlugTaken
from tenants.models import Tenant

MAX_LENGTH = 48
# Words that a visitor would take for a place of ours, or that we may want for one.
_WORDS = """
about account accounts admin api app assets auth billing company console dashboard docs health healthz help home invite
login logout me metrics new null operator public readyz register root sandbox security settings signup static status
support system t tenant tenants test tokonomics undefined user users v1 www
"""
RESERVED = frozenset(_WORDS.split())
_SUFFIX_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


def unique_slug(name: str) -> str:
    """`Fernhill Labs` -> `fernhill-labs`; where that is taken or reserved, `fernhill-labs-x7k3`.

    Unique at the moment of asking: two at once can get the same, and the database refuses the second.
    """
    base = slugify(name)[: MAX_LENGTH - 5].strip("-_") or "company"
    slug = base
    while not is_free(slug):
        slug = f"{base}-" + "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(4))
    return slug


def checked_slug(slug: str) -> str:
    """A slug that a person chose. Raises InvalidValue or SlugTaken."""
    if not slug or slug != slugify(slug) or len(slug) > MAX_LENGTH:
        raise InvalidValue("slug", f"Use small letters, digits and hyphens, at most {MAX_LENGTH}, like fernhill-labs.")
    if not is_free(slug):
        raise SlugTaken(slug)
    return slug


def is_free(slug: str) -> bool:
    return slug not in RESERVED and not Tenant.objects.filter(slug=slug).exists()
