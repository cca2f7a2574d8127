"""The commands of the first hour: `handoff init` and `handoff check-config`."""
