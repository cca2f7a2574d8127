"""`python -m handoff.cli`."""

from .main import main

raise SystemExit(main())
