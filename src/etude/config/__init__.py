"""Settings: sections, checks, conf/ compiled to params.yaml, code digests."""
