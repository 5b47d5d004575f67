"""smoothlab from Python: the estimator of scikit-learn, and the commands as functions."""
