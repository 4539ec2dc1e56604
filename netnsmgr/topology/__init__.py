"""The device as a drawing shows it: namespaces, links, addresses, services, and the networks that collide; pure."""
