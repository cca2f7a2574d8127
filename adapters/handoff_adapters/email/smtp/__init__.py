"""The `email.smtp` adapter: a listener for mail over SMTP or LMTP."""

from .adapter import SmtpAdapter
from .options import SmtpOptions

__all__ = ["SmtpAdapter", "SmtpOptions"]
