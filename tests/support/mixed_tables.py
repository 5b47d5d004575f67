"""Tables of numbers and categories with empty cells."""

from __future__ import annotations

import numpy as np
import pandas as pd


def mixed_table(rows: int = 400, classes: int = 3, seed: int = 0) -> pd.DataFrame:
    """Numbers, a number with empty cells, categories with empty cells, and a class that depends on all of them."""
    generator = np.random.default_rng(seed)
    number, other = generator.normal(size=(2, rows))
    colour = generator.choice(["red", "green", "blue", "black"], rows)
    score = number + 2 * np.isnan(np.where(other > 1, np.nan, other)) + 1.5 * (colour == "red")
    edges = np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])
    label = np.digitize(score + 0.3 * generator.normal(size=rows), edges)
    table = pd.DataFrame(
        {"number": number, "other": np.where(other > 1, np.nan, other), "colour": colour, "label": label}
    )
    table.loc[generator.random(rows) < 0.1, "colour"] = None
    return table.assign(label=[f"class {value}" for value in label])
