"""A table with one row a sample: reading, understanding its columns, encoding them, splitting its rows."""
