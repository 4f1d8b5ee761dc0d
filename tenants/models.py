"""Who: people, tenants, what they may do, and the keys and tokens that act for them."""

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from tenants import ids


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)

    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by e-mail."""

    email = models.EmailField(max_length=254, unique=True)
    is_staff = models.BooleanField(default=False, help_text="May enter the operator's pages at /admin/.")
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_unique_in_any_case")]

    def __str__(self) -> str:
        return self.email


class HoldPolicy(models.TextChoices):
    """`ESTIMATE`: more requests at once, and what is in flight may break the cap."""

    BOUND = "bound", "The most that it can cost"
    ESTIMATE = "estimate", "What such requests usually cost"


class Tenant(models.Model):
    """A company. Its spending, keys and people are nobody else's business."""

    id = models.CharField(primary_key=True, max_length=24, default=ids.tenant_id, editable=False)
    slug = models.SlugField(max_length=48, unique=True)
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    suspended_at = models.DateTimeField(
        null=True, blank=True, help_text="Set by the operator: every request is refused."
    )
    policy_version = models.PositiveBigIntegerField(
        default=1, editable=False, help_text="Raised by every change that a proxy has to obey from the next request on."
    )
    default_output_limit = models.PositiveIntegerField(
        default=16_384,
        validators=[MinValueValidator(1)],
        help_text="Output tokens written into requests that name none.",
    )
    least_output_limit = models.PositiveIntegerField(
        default=256, validators=[MinValueValidator(1)], help_text="Never write a smaller one than this; refuse instead."
    )
    hold_policy = models.CharField(
        max_length=8,
        choices=HoldPolicy,
        default=HoldPolicy.BOUND,
        help_text="What is held for a request: the most that it can cost, or what such requests usually cost.",
    )
    allowed_fields = models.JSONField(
        default=list, blank=True, help_text="Request fields beyond the known ones that may be forwarded unpriced."
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text="For display only; budgets are kept in UTC.")
    users = models.ManyToManyField(User, through="Membership", related_name="tenants")

    # Not a column: true while tenants.policy holds the lock of this row for this very instance.
    locked = False

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do; each includes the ones below it."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    MEMBER = "member", "Member"
    VIEWER = "viewer", "Viewer"


class Membership(models.Model):
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="one_membership_a_person")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.tenant}"


class Invitation(models.Model):
    """Somebody is asked into a company: a link that works once, until `expires_at`. Only its fingerprint is kept."""

    id = models.CharField(primary_key=True, max_length=24, default=ids.invitation_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=8, choices=Role)
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of its secret, hex.")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True, editable=False)
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["tenant", "-created_at"])]

    def __str__(self) -> str:
        return f"{self.email} as {self.role}"


class KeyMode(models.TextChoices):
    LIVE = "live", "Live"
    TEST = "test", "Test"


class ApiKey(models.Model):
    """What an application sends instead of the provider's key. Only a fingerprint of it is kept."""

    id = models.CharField(primary_key=True, max_length=24, default=ids.api_key_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    mode = models.CharField(max_length=4, choices=KeyMode, default=KeyMode.LIVE)
    prefix = models.CharField(max_length=16, editable=False, help_text="The beginning, for people to tell keys apart.")
    last_four = models.CharField(max_length=4, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the whole key, hex.")
    allowed_models = models.JSONField(default=list, blank=True, help_text="Empty: any model that has a price.")
    default_output_limit = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    requires_end_user = models.BooleanField(
        default=False, help_text="Refuse requests that do not say which end user they are for."
    )
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    paused_at = models.DateTimeField(
        null=True, blank=True, help_text="Its requests are refused until somebody resumes it."
    )
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["tenant", "-created_at"])]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…{self.last_four})"


class RetiredSecret(models.Model):
    """What a key was before it was rotated: it opens the key until `expires_at`, so that applications can change over.

    The key stays the same row, with its caps and counters: a rotation is no way to a second cap.
    """

    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="retired_secrets")
    prefix = models.CharField(max_length=16, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    retired_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-retired_at"]

    def __str__(self) -> str:
        return f"{self.prefix}…{self.last_four}"


class ProviderCredential(models.Model):
    """A tenant's own key at a provider, encrypted at rest; for an endpoint of its own also where that is.

    `provider` is an id of `tenants.providers`, or the name that the tenant gave an endpoint of its own.
    """

    id = models.CharField(primary_key=True, max_length=24, default=ids.credential_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="provider_credentials")
    provider = models.CharField(max_length=32)
    ciphertext = models.TextField(editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    base_url = models.CharField(max_length=500, blank=True, help_text="Empty: the operator's address of the provider.")
    api_version = models.CharField(max_length=32, blank=True, help_text="Of Azure's dated API; empty for the newer.")
    deployments = models.JSONField(default=dict, blank=True, help_text='Azure: {"deployment": "model"}.')
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    tested_at = models.DateTimeField(null=True, blank=True, editable=False)
    test_ok = models.BooleanField(null=True, editable=False, help_text="The provider took the key; null: not known.")
    test_result = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "provider"], name="one_credential_a_provider")]

    def __str__(self) -> str:
        return f"{self.provider} …{self.last_four}"


class ManagementToken(models.Model):
    """`tkm_...`: acts on the REST API for one tenant, within its scopes."""

    id = models.CharField(primary_key=True, max_length=24, default=ids.token_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="management_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=16, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list, help_text="`read` and `write`.")
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class AuditEvent(models.Model):
    """Who changed what, from what to what. Rows are only ever added."""

    id = models.CharField(primary_key=True, max_length=24, default=ids.audit_event_id, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, null=True, related_name="audit_events")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    actor = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    actor_label = models.CharField(
        max_length=254, help_text="As the actor was called then: an e-mail, a token's name, `operator`."
    )
    address = models.GenericIPAddressField(null=True, help_text="Where the change came from.")
    action = models.CharField(max_length=64, help_text="`api_key.revoked`, `cap.changed`, ...")
    target_id = models.CharField(max_length=32, blank=True)
    target_label = models.CharField(max_length=120, blank=True)
    changes = models.JSONField(default=dict, help_text='{"field": [from, to]}; money as USD strings; never a secret.')

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [models.Index(fields=["tenant", "-created_at"])]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor_label}"
