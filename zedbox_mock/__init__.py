"""A stand-in for the edge supervisor: publishes the configuration tables and prints the statuses that come back."""
