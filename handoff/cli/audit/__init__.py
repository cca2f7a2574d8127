"""`handoff audit …`: checks the audit trail's files, and searches them through a server."""
