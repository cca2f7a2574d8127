"""Sources: vendor deliveries, the native API's touchpoints, CloudEvents, and quarantine."""
