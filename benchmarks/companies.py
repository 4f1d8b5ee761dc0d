"""Many companies at once, into the database of a running product: `python -m benchmarks.companies N KEYS FILE`.

`create_tenant` makes one in some 100 ms, with people, audit and all. These have what a request needs: a tenant with its
cap and provider key, API keys, an open ledger.
"""

import os
import sys
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tokonomics.settings")
django.setup()

from django.db import transaction  # noqa: E402

from budgets import recovery  # noqa: E402
from budgets.models import Cap  # noqa: E402
from budgets.money import NANO  # noqa: E402
from tenants import crypto, ids, keys  # noqa: E402
from tenants.models import ApiKey, ProviderCredential, Tenant  # noqa: E402


def main() -> None:
    companies, each, path = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    ciphertext, secrets = crypto.encrypt("sk-bench"), []
    with transaction.atomic():
        tenants = [Tenant(id=ids.tenant_id(), name=f"Many {n}", slug=f"many-{n}") for n in range(companies)]
        Tenant.objects.bulk_create(tenants, batch_size=500)
        ProviderCredential.objects.bulk_create(
            [ProviderCredential(id=ids.credential_id(), tenant=one, provider="openai", ciphertext=ciphertext)
             for one in tenants], batch_size=500)  # fmt: skip
        Cap.objects.bulk_create(
            [Cap(tenant=one, mode="live", window="month", amount=1000 * NANO, hard=True) for one in tenants],
            batch_size=500,
        )
        made = []
        for one in tenants:
            for number in range(each):
                secret = keys.mint("live")
                secrets.append(secret)
                made.append(ApiKey(id=ids.api_key_id(), tenant=one, name=f"key {number}", mode="live",
                                   digest=keys.digest(secret)))  # fmt: skip
        ApiKey.objects.bulk_create(made, batch_size=500)
    for one in tenants:
        recovery.open_ledger(one.pk)
    # One key of every company, then the next of every company: neighbours in the file are never of one company.
    path.write_text("\n".join(secret for number in range(each) for secret in secrets[number::each]))


if __name__ == "__main__":
    main()
