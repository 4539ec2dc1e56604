"""Effects: the only importer of pyroute2, nftables, subprocess and ctypes."""
