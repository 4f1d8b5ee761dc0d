"""E-mail: text and HTML that say the same, one mail a recipient with a way out of its own, one thread a window.

Where no mail server is set (EMAIL_URL) Django's console backend writes it to the log, and the delivery log keeps it.
"""

import re
import smtplib
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.template.loader import render_to_string

from alerts.channels.base import Channel, Letter, Order, Passing, Permanent, Target
from alerts.models import ChannelKind
from tenants.errors import InvalidValue
from tenants.services import values

SECONDS = 10
MOST_RECIPIENTS = 20
LOGGED = "No mail server is set (EMAIL_URL): it was written to the log, and is kept here."


class EmailChannel(Channel):
    kind = ChannelKind.EMAIL
    asks_for = "Addresses"

    def target(self, text: str) -> Target:
        """The addresses, in the order given, one a line; they are no secret."""
        parts = [part for part in re.split(r"[\s,;]+", text) if part]
        addresses = list(dict.fromkeys(values.email("target", part) for part in parts))
        if not addresses:
            raise InvalidValue("target", "Enter an e-mail address, like name@company.example.")
        if len(addresses) > MOST_RECIPIENTS:
            raise InvalidValue("target", f"Enter at most {MOST_RECIPIENTS} addresses.")
        return Target("\n".join(addresses), "")

    def compose(self, order: Order) -> Letter:
        context = {"message": order.message, "unsubscribe": order.unsubscribe}
        root = f"<{order.facts.tenant_slug}.{order.facts.thread}@{_domain()}>"
        headers = {
            "Subject": order.message.subject,
            "From": settings.DEFAULT_FROM_EMAIL,
            "To": order.address,
            "Message-ID": f"<{order.event_id}.{order.address.replace('@', '.')}@{_domain()}>",
            "In-Reply-To": root,
            "References": root,
            "List-Unsubscribe": f"<{order.unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            "Auto-Submitted": "auto-generated",
        }
        text = render_to_string("alerts/email.txt", context)
        return Letter(text, headers, render_to_string("alerts/email.html", context), private=order.unsubscribe)

    def send(self, order: Order, letter: Letter) -> str:
        own = {name: letter.headers[name] for name in letter.headers if name not in ("Subject", "From", "To")}
        mail = EmailMultiAlternatives(
            subject=letter.headers["Subject"],
            body=letter.text,
            from_email=letter.headers["From"],
            to=[order.address],
            headers=own,
            connection=get_connection(timeout=SECONDS),
        )
        mail.attach_alternative(letter.html, "text/html")
        try:
            mail.send()
        except smtplib.SMTPRecipientsRefused as error:
            raise _refused(order.address, *next(iter(error.recipients.values()))) from error
        except smtplib.SMTPDataError as error:
            said = _said(error.smtp_code, error.smtp_error)
            raise (Permanent(said) if error.smtp_code >= 500 else Passing(said)) from error
        except (smtplib.SMTPException, OSError) as error:
            # The server or our account at it: the operator's to mend, and not the recipient's fault.
            raise Passing(f"The mail server did not take it: {error}") from error
        return f"250 {settings.EMAIL_HOST} took it." if settings.EMAIL_URL else LOGGED


class Bounced(Permanent):
    """The mail server does not take this address."""


def _refused(address: str, code: int, reply: bytes | str) -> Bounced | Passing:
    said = _said(code, reply)
    if code < 500:
        return Passing(said)
    return Bounced(said, problem=refused_address(address, said))


def refused_address(address: str, said: str) -> str:
    """What the channel says of it."""
    return f"The mail server refused {address} ({said}). Correct the address or take it out."


def _said(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return f"{code} {' '.join(text.split())}"[:300]


def _domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
