"""What representations share: surveys of train, grammar, merged tokens, round trip, and the arrays on disk."""
