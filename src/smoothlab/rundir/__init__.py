"""What a run directory is: paths, status, lock, identity, files written whole, provenance."""
