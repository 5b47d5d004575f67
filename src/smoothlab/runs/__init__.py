"""Run directories: their files, their state, their identity, and the model that one holds."""
