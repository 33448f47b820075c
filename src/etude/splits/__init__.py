"""Tune families, their assignment to train, valid and test, and an audit of leaks between these splits."""
