"""Measures of pieces and of models: likelihood, muspy descriptors, distances."""
