"""Pieces as moving pictures: what a video shows, a roll or a score that scrolls, and a file with its sound."""
