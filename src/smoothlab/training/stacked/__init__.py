"""Many small nets that train as one: their weights side by side, one forward and one backward pass for all."""
