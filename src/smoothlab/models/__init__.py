"""What a run left: checkpoints, the model of raw rows, ensembles, predictions."""
