"""Counting baselines."""
