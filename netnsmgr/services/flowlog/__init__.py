"""The flow log of one instance: what its applications' flows, drops and questions to the DNS become for a reader."""
