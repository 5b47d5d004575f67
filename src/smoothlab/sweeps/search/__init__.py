"""Search: which values to try next, from what the trials before have shown."""
