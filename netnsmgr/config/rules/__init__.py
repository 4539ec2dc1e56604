"""What documents must be to each other: one room per kind, each a function from the scope to problems."""
