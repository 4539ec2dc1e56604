"""netnsmgr: a network namespace and a process for every network instance of an edge device."""

__version__ = "0.1.0"
