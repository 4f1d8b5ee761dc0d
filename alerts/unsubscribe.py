"""The link in each e-mail that ends it for its reader: signed, so that nobody makes one for somebody else."""

from django.core.signing import BadSignature, Signer

from alerts.models import EmailRecipient

_signer = Signer(salt="alerts.unsubscribe")


def token_of(recipient: EmailRecipient) -> str:
    return _signer.sign(str(recipient.pk)).replace(":", ".", 1)


def recipient_of(token: str) -> EmailRecipient | None:
    """None for a token that we did not make, and for a recipient that is gone."""
    try:
        pk = _signer.unsign(token.replace(".", ":", 1))
    except BadSignature:
        return None
    return EmailRecipient.objects.select_related("channel__tenant").filter(pk=pk).first()
