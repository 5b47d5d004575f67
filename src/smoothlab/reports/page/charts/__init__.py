"""The charts of a report, one subject a file."""
