"""Pieces made audible: synthesis, mixing, mp3."""
