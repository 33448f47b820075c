"""Score files of any format in, clean scores out."""
