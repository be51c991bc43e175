"""Mail, handed to the mail server of the settings."""

import ssl
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from django.core import mail as django_mail

from authz.database.transactions import require_no_transaction
from authz.outbound.roles import Cause, OutboundError


def mail(recipient: str, subject: str, body: str) -> None:
    """Hand one mail to the mail server of the settings (`EMAIL_URL`). Raises what `fetch` raises."""
    require_no_transaction()
    try:
        django_mail.send_mail(subject, body, None, [recipient])
    except SMTPRecipientsRefused as error:
        raise OutboundError(Cause.REFUSED, detail=_smtp_code(error.recipients.get(recipient))) from error
    except SMTPResponseException as error:
        raise OutboundError(Cause.PROTOCOL, detail=str(error.smtp_code)) from error
    except TimeoutError as error:
        raise OutboundError(Cause.TIMEOUT) from error
    except ssl.SSLError as error:
        raise OutboundError(Cause.TLS) from error
    except (SMTPException, OSError) as error:
        raise OutboundError(Cause.CONNECT) from error
    except ValueError as error:  # an address that is none
        raise OutboundError(Cause.REFUSED) from error


def _smtp_code(answer: tuple[int, bytes] | None) -> str:
    return str(answer[0]) if answer else ""
