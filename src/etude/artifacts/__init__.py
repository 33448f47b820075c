"""What stages leave on disk: places, piece archives, token stores, shards, provenance."""
