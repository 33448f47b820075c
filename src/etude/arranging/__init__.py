"""Arranging: a melody and its chords become a band's song, by rules that a style file states."""
