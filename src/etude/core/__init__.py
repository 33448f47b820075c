"""What knows no music: errors, progress, seeds, files."""
