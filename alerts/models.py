"""Who hears of it: channels and their recipients, the rules that name them, events, and the outbox of deliveries."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from budgets.models import WINDOW_CHOICES
from budgets.money import NANO
from tenants.ids import new_id
from tenants.models import ApiKey, Tenant, User

MOST_PERCENT = 1_000


def channel_id() -> str:
    return new_id("chn")


def rule_id() -> str:
    return new_id("rul")


def event_id() -> str:
    return new_id("evt")


def delivery_id() -> str:
    return new_id("dlv")


class ChannelKind(models.TextChoices):
    EMAIL = "email", "E-mail"
    SLACK = "slack", "Slack"
    WEBHOOK = "webhook", "Webhook"
    DISCORD = "discord", "Discord"
    TEAMS = "teams", "Teams"
    PAGERDUTY = "pagerduty", "PagerDuty"


class AlertChannel(models.Model):
    """One way to somebody. Where it leads is a secret for most kinds, so it is encrypted for all."""

    id = models.CharField(primary_key=True, max_length=24, default=channel_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="alert_channels")
    kind = models.CharField(max_length=12, choices=ChannelKind)
    name = models.CharField(max_length=80)
    target_ciphertext = models.TextField(blank=True, editable=False, help_text="A URL or routing key; e-mail has none.")
    shown = models.CharField(max_length=200, blank=True, help_text="The target as people may see it.")
    secret_ciphertext = models.TextField(blank=True, editable=False, help_text="What webhooks are signed with.")
    old_secret_ciphertext = models.TextField(blank=True, editable=False)
    old_secret_until = models.DateTimeField(null=True, blank=True, help_text="Until then the old secret signs too.")
    problem = models.CharField(max_length=300, blank=True, help_text="Why it is broken; empty while it is healthy.")
    problem_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at", "id"]
        indexes = [models.Index(fields=["tenant", "created_at"])]

    def __str__(self) -> str:
        return self.name

    @property
    def is_broken(self) -> bool:
        return bool(self.problem)


class EmailRecipient(models.Model):
    """One address of an e-mail channel. Whoever unsubscribed comes back by their own link alone."""

    channel = models.ForeignKey(AlertChannel, on_delete=models.CASCADE, related_name="recipients")
    email = models.EmailField(max_length=254)
    unsubscribed_at = models.DateTimeField(null=True, blank=True)
    bounced_at = models.DateTimeField(null=True, blank=True)
    bounce = models.CharField(max_length=300, blank=True, help_text="What the mail server said to this address.")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["channel", "email"], name="one_recipient_an_address")]

    def __str__(self) -> str:
        return self.email


class RuleKind(models.TextChoices):
    THRESHOLD = "threshold", "A percentage of a cap is spent"
    FORECAST = "forecast", "At this pace a cap is reached before it resets"
    BURN_RATE = "burn_rate", "A key spends far faster than usual"


class RuleScope(models.TextChoices):
    TENANT = "tenant", "The company's budget"
    API_KEY = "api_key", "One key"
    EVERY_KEY = "every_key", "Every live key"


class AlertRule(models.Model):
    """What is told to whom: to the channels named, and to whatever channel there is of the kinds named."""

    id = models.CharField(primary_key=True, max_length=24, default=rule_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="alert_rules")
    kind = models.CharField(max_length=12, choices=RuleKind, default=RuleKind.THRESHOLD)
    scope = models.CharField(max_length=12, choices=RuleScope, default=RuleScope.TENANT)
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, null=True, blank=True, related_name="alert_rules")
    window = models.CharField(
        max_length=8, choices=WINDOW_CHOICES, blank=True, help_text="Empty: each window that the scope has a cap for."
    )
    threshold_percent = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(MOST_PERCENT)]
    )
    factor = models.PositiveSmallIntegerField(default=10, help_text="Burn rate: how many times the usual hour.")
    least = models.BigIntegerField(default=NANO, help_text="Burn rate: below this an hour it is no news; nanodollars.")
    pause = models.BooleanField(default=False, help_text="Burn rate: pause the key that causes it.")
    channels = models.ManyToManyField(AlertChannel, blank=True, related_name="rules")
    channel_kinds = models.JSONField(default=list, blank=True, help_text="Every channel of these kinds, `*` for any.")
    mention = models.BooleanField(default=False, help_text="Slack and Discord: begin with @here.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["created_at", "id"]
        indexes = [models.Index(fields=["tenant", "kind"])]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind=RuleKind.THRESHOLD, threshold_percent__isnull=False)
                | (~models.Q(kind=RuleKind.THRESHOLD) & models.Q(threshold_percent=None)),
                name="thresholds_have_a_percentage",
            ),
            models.CheckConstraint(
                condition=models.Q(scope=RuleScope.API_KEY, api_key__isnull=False)
                | (~models.Q(scope=RuleScope.API_KEY) & models.Q(api_key=None)),
                name="rule_names_its_key",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.threshold_percent}%" if self.threshold_percent is not None else self.get_kind_display()


class EventType(models.TextChoices):
    """As webhooks name it."""

    THRESHOLD = "budget.threshold_crossed", "Threshold"
    FORECAST = "budget.forecast", "Forecast"
    BURN_RATE = "api_key.burn_rate", "Burn rate"
    TEST = "test", "Test"


class AlertEvent(models.Model):
    """Something that happened once and is told as it was then. `key` makes it once: two workers cannot both add it."""

    id = models.CharField(primary_key=True, max_length=24, default=event_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="alert_events")
    type = models.CharField(max_length=32, choices=EventType)
    key = models.CharField(max_length=120, unique=True)
    api_key = models.ForeignKey(ApiKey, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    facts = models.JSONField(help_text="See alerts.facts: all that any message says; money in nanodollars.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["tenant", "-created_at"]), models.Index(fields=["api_key", "type"])]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENDING = "sending", "Sending"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Not sent"


class Delivery(models.Model):
    """One event to one channel, and for e-mail to one address: a line of the outbox.

    `due_at` is when it may be claimed: the next try, or the end of the lease of whoever is sending it. A claim moves it
    on with a conditional update; of two workers one finds that it has moved.
    """

    id = models.CharField(primary_key=True, max_length=24, default=delivery_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    event = models.ForeignKey(AlertEvent, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.ForeignKey(AlertChannel, on_delete=models.SET_NULL, null=True, related_name="deliveries")
    channel_kind = models.CharField(max_length=12, choices=ChannelKind)
    channel_name = models.CharField(max_length=80, help_text="As it was called then.")
    address = models.CharField(max_length=254, blank=True, help_text="E-mail: this recipient.")
    mention = models.BooleanField(default=False)
    state = models.CharField(max_length=12, choices=DeliveryState, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Since it was queued, or queued again.")
    due_at = models.DateTimeField(null=True, default=timezone.now)
    claimed_by = models.CharField(max_length=64, blank=True)
    queued_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)
    payload = models.TextField(blank=True, help_text="What was sent last.")
    headers = models.JSONField(default=dict, help_text="The headers that say who sent it, signatures included.")
    history = models.JSONField(default=list, help_text='[{"at", "outcome", "answer", "took_ms"}], the latest last.')

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["tenant", "-created_at"]),
            models.Index(fields=["channel", "-created_at"]),
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="deliveries_due"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["event", "channel", "address"], name="one_delivery_a_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} to {self.channel_name}"

    @property
    def is_open(self) -> bool:
        return self.state in (DeliveryState.WAITING, DeliveryState.SENDING)

    @property
    def answer(self) -> str:
        """What was said to the last try."""
        return self.history[-1]["answer"] if self.history else ""
