"""Events: the live feed, payloads for subscribers, and reactions to new touchpoints."""
