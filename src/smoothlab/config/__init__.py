"""From the command line to checked settings and the objects that they describe."""
