"""The first requests of a newcomer: what "Waiting for your first request" turns into."""

from budgets.models import UsageRecord
from tokonomics.console import activity, playground
from tokonomics.console.activity import Row
from tokonomics.console.standings import Snapshot

MOST = 4


def of(seen: Snapshot, mode: str) -> list[Row]:
    """The last requests that an application sent with keys of this mode, refused ones among them; none of the page's
    own playground, for those say nothing about the application."""
    mine = UsageRecord.objects.filter(tenant=seen.tenant, mode=mode).exclude(api_key__name=playground.NAME)
    rows = [activity.of_record(record) for record in mine.select_related("api_key")[:MOST]]
    names = {key.pk: key.name for key in seen.keys}
    rows += [
        activity.of_refusal(refused, names)
        for refused in seen.recent_refusals
        if refused.mode == mode and names.get(refused.key_id) not in (None, playground.NAME)
    ]
    return activity.newest(rows, MOST)
