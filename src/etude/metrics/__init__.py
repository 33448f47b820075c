"""Measures of pieces and of models: likelihood, muspy descriptors, distances. They read and write no files."""
