"""The studio: a page on this machine in which a person harmonises, fills in and arranges with the trained models."""
