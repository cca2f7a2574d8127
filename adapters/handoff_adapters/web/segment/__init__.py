"""The tracking API that Segment and RudderStack SDKs speak."""

from .adapter import SegmentAdapter
from .options import SegmentOptions

__all__ = ["SegmentAdapter", "SegmentOptions"]
