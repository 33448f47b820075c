"""Listening tests: pages that ask listeners, the server that keeps their answers, and what the answers show."""
