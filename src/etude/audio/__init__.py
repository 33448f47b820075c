"""Pieces made audible: synthesis, mixing, mp3, and ``render``, the one way to make a score sound."""
