"""Deciding, apart from doing: items, plans, the pubsub's state machines, and what others have agreed on; no I/O, no clock."""
