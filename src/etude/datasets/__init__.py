"""Where pieces come from: one dataset a file."""
