"""Many stages together."""
