"""Kernel nouns, one per file: the value and its four idempotent verbs."""
