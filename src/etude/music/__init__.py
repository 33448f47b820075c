"""A score in memory, and what may be done to it."""
