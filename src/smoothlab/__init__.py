"""smoothlab: train classifiers whose confidence can be trusted."""
