"""Compare ways of training: which runs answer the question, running them, choosing by validation, the answer."""
