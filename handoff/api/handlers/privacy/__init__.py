"""Handlers of what people and officers may demand: erasures, holds, restrictions."""
