"""How much: the caps, what was spent, and how far the journal has been read. All amounts are integer nanodollars."""

from copy import copy

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from budgets.money import MAX_CAP
from budgets.windows import Window, WindowKind
from tenants import ids
from tenants.models import ApiKey, KeyMode, Tenant, User

WINDOW_CHOICES = [(WindowKind.MONTH, "month"), (WindowKind.DAY, "day")]


def default_thresholds() -> list[int]:
    return [50, 80, 95, 100]


class Cap(models.Model):
    """An amount that one scope may spend in one window: the tenant (`api_key` null, by mode) or one key.

    `hard`: requests that would break it are refused. Otherwise it is a budget that only alerts.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="caps")
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, null=True, blank=True, related_name="caps")
    mode = models.CharField(max_length=4, choices=KeyMode, default=KeyMode.LIVE)
    window = models.CharField(max_length=8, choices=WINDOW_CHOICES)
    amount = models.BigIntegerField(
        validators=[MinValueValidator(0), MaxValueValidator(MAX_CAP)], help_text="Nanodollars; 0 refuses everything."
    )
    hard = models.BooleanField(default=True)
    raised_to = models.BigIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(MAX_CAP)],
        help_text="Nanodollars in the place of the amount, in the one window that begins on `raised_on`.",
    )
    raised_on = models.DateField(null=True, blank=True)
    thresholds = models.JSONField(default=default_thresholds, help_text="Percentages whose crossing is recorded.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "mode", "window"], condition=models.Q(api_key=None), name="one_tenant_cap_a_window"
            ),
            models.UniqueConstraint(
                fields=["api_key", "window"], condition=models.Q(api_key__isnull=False), name="one_key_cap_a_window"
            ),
            models.CheckConstraint(condition=models.Q(amount__gte=0, amount__lte=MAX_CAP), name="cap_amount_in_range"),
            models.CheckConstraint(
                condition=models.Q(raised_to=None, raised_on=None)
                | models.Q(raised_to__gte=0, raised_to__lte=MAX_CAP, raised_on__isnull=False),
                name="raised_cap_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.api_key or self.tenant} a {self.window}"

    def in_window(self, window: Window) -> "Cap":
        """The cap as it holds in a window: itself, or a copy with the amount that it was raised to for that one."""
        if self.raised_to is None or window.kind != self.window or window.first_day != self.raised_on:
            return self
        raised = copy(self)
        raised.amount = self.raised_to
        return raised


class EndUserCap(models.Model):
    """An amount that one end user of a key may spend through it in one window: each of them, or one by name.

    A key that has any of these counts its end users; no other key does. It always refuses what would break it, and
    nobody is told of it as it fills: there may be a million of them.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="end_user_caps", db_index=False)
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="end_user_caps", db_index=False)
    end_user = models.CharField(max_length=32, blank=True, help_text="Whose, by hash; empty: each end user's.")
    window = models.CharField(max_length=8, choices=WINDOW_CHOICES)
    amount = models.BigIntegerField(
        validators=[MinValueValidator(0), MaxValueValidator(MAX_CAP)], help_text="Nanodollars; 0 refuses everything."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["api_key", "end_user", "window"], name="one_end_user_cap_a_window"),
            models.CheckConstraint(
                condition=models.Q(amount__gte=0, amount__lte=MAX_CAP), name="end_user_cap_amount_in_range"
            ),
        ]
        indexes = [models.Index(fields=["tenant", "api_key"])]

    def __str__(self) -> str:
        return f"{self.end_user or 'each end user'} of {self.api_key} a {self.window}"


class TenantPrice(models.Model):
    """What a tenant pays in place of the list: rates of its own, nothing at all on purpose, or so much off.

    `model` is a model's name, or `*` for every one of the provider. What it means is in `budgets.pricing.own`.
    """

    id = models.CharField(primary_key=True, max_length=24, default=ids.price_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="prices")
    provider = models.CharField(max_length=32)
    model = models.CharField(max_length=128)
    rates = models.JSONField(null=True, blank=True, help_text="By kind: nanodollars a million tokens; fees, a call.")
    discount = models.IntegerField(default=0, help_text="Hundredths of a percent off the list; below 0 a surcharge.")
    free = models.BooleanField(default=False)
    context_window = models.PositiveIntegerField(null=True, blank=True)
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True)
    note = models.CharField(max_length=120, blank=True, help_text="Where it is from, in the tenant's own words.")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False, help_text="Since when it holds.")

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint("tenant", "provider", Lower("model"), name="one_own_price_a_model"),
            models.CheckConstraint(condition=models.Q(discount__lt=10_000), name="a_discount_leaves_something"),
            models.CheckConstraint(
                condition=models.Q(rates__isnull=False, discount=0, free=False)
                | models.Q(rates__isnull=True, discount=0, free=True)
                | (models.Q(rates__isnull=True, free=False) & ~models.Q(discount=0)),
                name="rates_or_free_or_a_discount",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model}"


class UsageStatus(models.TextChoices):
    """How an admitted request ended."""

    SETTLED = "settled", "Settled at the usage that the provider reported"
    CHARGED_AT_HOLD = "charged_at_hold", "The usage could not be known: charged at the hold"
    CUT_SHORT = "cut_short", "We ended it before its end: charged at the most that it had shown"
    LEASE_ENDED = "lease_ended", "Its worker vanished: charged at the hold when the lease ended"
    PROVIDER_ERROR = "provider_error", "The provider answered with an error: nothing charged"
    NOT_SENT = "not_sent", "It was not sent: nothing charged"


class UsageRecord(models.Model):
    """The ledger: one row an admitted request, written by the journal's drain and by nothing else."""

    id = models.CharField(primary_key=True, max_length=32, help_text="The id of its hold.")
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="usage_records", db_index=False)
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="usage_records", db_index=False)
    mode = models.CharField(max_length=4, choices=KeyMode)
    provider = models.CharField(max_length=32)
    model = models.CharField(max_length=128)
    endpoint = models.CharField(max_length=64)
    end_user = models.CharField(max_length=32, blank=True, help_text="A hash; who it is only the application knows.")
    status = models.CharField(max_length=16, choices=UsageStatus)
    flags = models.JSONField(default=list, help_text="`bound_breach`, `client_gone`, `usage_missing`, `corrected`, ...")
    cost = models.BigIntegerField(help_text="Nanodollars.")
    held = models.BigIntegerField(help_text="The hold, nanodollars.")
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    usage = models.JSONField(default=dict, help_text="Tokens by kind, see budgets.pricing.usage.Usage.")
    price = models.JSONField(default=dict, help_text="The rates it was charged at, nanodollars a million tokens.")
    price_source = models.CharField(max_length=80, blank=True, help_text="`genai-prices 0.2.3`, `own price`, ...")
    price_since = models.DateField(null=True, help_text="Since when that price is in force, where that is known.")
    own_price = models.CharField(max_length=24, blank=True, help_text="The id of the tenant's own price or discount.")
    service_tier = models.CharField(max_length=32, blank=True, help_text="As the reply named it.")
    bound = models.JSONField(default=dict, help_text="What the hold was reckoned from: `input`, `output`, `choices`.")
    request_id = models.CharField(max_length=40, blank=True, help_text="What the client got as `x-request-id`.")
    first_byte_ms = models.PositiveIntegerField(null=True, help_text="Until the provider's reply began.")
    stream = models.BooleanField(default=False)
    http_status = models.PositiveSmallIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(default=0)
    day = models.DateField(help_text="The UTC day of its reservation: the windows that it counts in.")
    reserved_at = models.DateTimeField(help_text="By the clock of Redis.")
    settled_at = models.DateTimeField()
    user_uncounted = models.BooleanField(
        default=False,
        help_text="It was in flight as its key began to count its end users: no counter of its end user has it.",
    )

    class Meta:
        ordering = ["-reserved_at", "-id"]
        indexes = [
            models.Index(fields=["tenant", "-reserved_at"]),
            models.Index(fields=["tenant", "mode", "-reserved_at"]),
            models.Index(fields=["api_key", "-reserved_at"]),
            models.Index(fields=["request_id"]),
            models.Index(fields=["tenant"], condition=models.Q(user_uncounted=True), name="uncounted_end_users"),
        ]

    def __str__(self) -> str:
        return self.id


class DailySpend(models.Model):
    """The rollup of UsageRecord that totals, charts and rebuilds read: one row a day and combination."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="daily_spend", db_index=False)
    api_key = models.ForeignKey(ApiKey, on_delete=models.PROTECT, related_name="daily_spend", db_index=False)
    mode = models.CharField(max_length=4, choices=KeyMode)
    day = models.DateField()
    provider = models.CharField(max_length=32)
    model = models.CharField(max_length=128)
    end_user = models.CharField(max_length=32, blank=True)
    cost = models.BigIntegerField(default=0)
    requests = models.BigIntegerField(default=0)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "day", "api_key", "mode", "provider", "model", "end_user"], name="one_rollup_a_day"
            )
        ]
        indexes = [models.Index(fields=["api_key", "day"])]

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.day} {self.model}"


class Crossing(models.Model):
    """A threshold that a cap's spend passed in a window. Alerts read these; each exists once."""

    cap = models.ForeignKey(Cap, on_delete=models.CASCADE, related_name="crossings")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="crossings")
    window_start = models.DateField()
    threshold_percent = models.PositiveSmallIntegerField()
    limit = models.BigIntegerField()
    spent = models.BigIntegerField()
    by_refusal = models.BooleanField(
        default=False, help_text="100 % reached by the first refusal, not by spending all."
    )
    created_at = models.DateTimeField(default=timezone.now)
    taken_at = models.DateTimeField(null=True, blank=True, help_text="When alerts took it up; null: it is still to do.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cap", "window_start", "threshold_percent"], name="one_crossing_a_threshold"
            )
        ]
        indexes = [
            models.Index(fields=["tenant"], condition=models.Q(taken_at=None), name="crossings_to_take_up"),
        ]

    def __str__(self) -> str:
        return f"{self.cap} {self.threshold_percent}%"


class JournalCursor(models.Model):
    """How far a tenant's journal has been turned into rows; moves in the same transaction as they."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, primary_key=True, related_name="journal_cursor")
    last_id = models.CharField(max_length=40, default="0-0")
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.tenant_id} at {self.last_id}"


class SetAsideEntry(models.Model):
    """A journal entry that no row could be made of, taken out of the way by an operator (budgets/stuck.py)."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="set_aside_entries")
    entry_id = models.CharField(max_length=40)
    fields = models.JSONField(help_text="As they stood in Redis, byte for byte: base64 by name.")
    why = models.TextField(help_text="What the drain said.")
    cost = models.BigIntegerField(null=True, help_text="What it added to `spent`, nanodollars; null: not legible.")
    has_row = models.BooleanField(help_text="A bare row of the ledger, with the flag `set_aside`, stands for it.")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at"]
        constraints = [models.UniqueConstraint(fields=["tenant", "entry_id"], name="set_aside_once")]

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.entry_id}"
