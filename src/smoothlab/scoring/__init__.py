"""What the predictions of a split are worth, and how they are drawn and written."""
