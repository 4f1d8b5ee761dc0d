"""`manage.py reencrypt_credentials`: the second of the three steps of changing TOKONOMICS_ENCRYPTION_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from tenants.errors import EncryptionUnavailable
from tenants.services import reencrypt_credentials


class Command(BaseCommand):
    help = (
        "Encrypt every stored provider key with the first of TOKONOMICS_ENCRYPTION_KEYS. To change it: put the new "
        "one first and restart; run this; take the old one away and restart."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            count = reencrypt_credentials()
        except EncryptionUnavailable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count} provider keys are encrypted with the first key.")
