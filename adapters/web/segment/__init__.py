"""The tracking API that Segment and RudderStack SDKs speak."""

from adapters.web.segment.adapter import SegmentAdapter
from adapters.web.segment.options import SegmentOptions

__all__ = ["SegmentAdapter", "SegmentOptions"]
