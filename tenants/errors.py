"""What can go wrong when a person, a token or the operator changes something: one tree, with sentences for them.

`code` is for machines and stable; `message` is for people; `field` names the input that has to change, where one does.
"""


class TenantError(Exception):
    code = "invalid_request"
    message = "This cannot be done."

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        self.message = message or self.message
        self.field = field
        super().__init__(self.message)


class InvalidValue(TenantError):
    """One input cannot be used; `field` says which and the message what would do."""

    code = "invalid_value"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, field=field)


class SlugTaken(InvalidValue):
    code = "slug_taken"

    def __init__(self, slug: str) -> None:
        super().__init__("slug", f"The address “{slug}” is not free. Choose another.")


class EmailTaken(InvalidValue):
    code = "email_taken"

    def __init__(self) -> None:
        super().__init__("email", "There is already an account with this e-mail. Log in instead.")


class AlreadyMember(InvalidValue):
    code = "already_member"

    def __init__(self, email: str) -> None:
        super().__init__("email", f"{email} is already a member.")


class NotFound(TenantError):
    """It does not exist, or it is another tenant's: the two are told apart for nobody."""

    code = "not_found"
    message = "There is no such thing here."


class Conflict(TenantError):
    """The state of things does not allow it."""

    code = "conflict"


class LastOwner(Conflict):
    code = "last_owner"
    message = "A company needs an owner. Make somebody else owner first."


class KeyNotActive(Conflict):
    code = "key_not_active"
    message = "This key is revoked and cannot be changed any more. Create a new one."


class PolicyUnavailable(TenantError):
    """The change was not made, because no proxy could be told of it."""

    code = "ledger_unavailable"
    message = "Not saved: the spending ledger cannot be reached, so what held before still holds. Try again."


class EncryptionUnavailable(TenantError):
    """There is no key to encrypt a provider's secret with, or none that opens this one."""

    code = "encryption_unavailable"
    message = "Provider keys cannot be stored: set TOKONOMICS_ENCRYPTION_KEYS and start again."
