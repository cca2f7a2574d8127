"""placeholder"""

from handoff.bootstrap.settings import Settings


def demo(settings: Settings, *, once: bool) -> int:
    return 1
