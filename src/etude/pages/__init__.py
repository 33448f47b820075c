"""Pictures of pieces and self-contained pages."""
