"""Publish/subscribe of whole rows over local sockets: the hub in the daemon, the clients everywhere else."""
