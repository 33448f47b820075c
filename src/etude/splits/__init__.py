"""Which pieces are one tune, which of them are train, valid and test, and what leaks between these."""
