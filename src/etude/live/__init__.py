"""Music that is written while it plays: bars ahead of time, steered, answered, kept, and played again."""
