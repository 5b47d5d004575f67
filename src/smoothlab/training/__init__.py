"""From prepared objects to a finished run directory."""
