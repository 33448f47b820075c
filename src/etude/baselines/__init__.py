"""Counting baselines: models that only count the train pieces."""
