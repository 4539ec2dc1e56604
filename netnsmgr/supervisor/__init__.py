"""The process that starts, watches and ends the agents, and holds what they are told; it touches no network."""
