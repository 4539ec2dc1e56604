"""Tunnels of an instance: WireGuard and IPsec, and that nothing of theirs leaves in clear."""
