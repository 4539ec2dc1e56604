"""Programs of their own that run in an instance's namespace beside its agent, and that may crash alone."""
