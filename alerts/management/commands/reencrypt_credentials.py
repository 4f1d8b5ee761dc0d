"""`manage.py reencrypt_credentials` with what alerts keep: this app stands before tenants, so it is this one."""

from typing import Any

from django.core.management.base import CommandError

from alerts.services import reencrypt_channels
from tenants.errors import EncryptionUnavailable
from tenants.management.commands.reencrypt_credentials import Command as OfTenants


class Command(OfTenants):
    help = OfTenants.help.replace("stored provider key", "stored provider key and alert channel")

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        try:
            count = reencrypt_channels()
        except EncryptionUnavailable as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{count} alert channels are encrypted with the first key.")
