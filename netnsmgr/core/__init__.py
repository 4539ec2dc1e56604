"""Deciding, apart from doing: items, plans and the pubsub's state machines; no I/O, no clock."""
