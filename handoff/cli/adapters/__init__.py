"""The commands of `handoff adapters`: listing, describing, trying, and starting adapters."""
