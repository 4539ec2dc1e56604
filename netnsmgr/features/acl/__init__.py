"""Access lists: what an application may reach, and who may reach it."""
