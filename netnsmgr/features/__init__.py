"""Capabilities: pure functions from configuration and facts to items; one per file."""
