"""Pieces as arrays that models read, and back: one tokenizer a file."""
