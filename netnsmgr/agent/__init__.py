"""The process that owns one namespace: observes it, compares it with the configuration, mends it."""
