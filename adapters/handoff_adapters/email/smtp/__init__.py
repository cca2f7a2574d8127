"""Mail by SMTP or LMTP: the source `email.smtp` and its listener."""
