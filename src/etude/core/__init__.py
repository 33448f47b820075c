"""Errors, progress, seeds, files: the modules that know nothing of music."""
