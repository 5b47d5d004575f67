"""What the options of smoothing/strength= and smoothing/prior= need to be told, for classes benign and malignant."""

from __future__ import annotations

# Of several labels a sample: see test_multilabel.py.
MULTILABEL = {
    f"smoothing/{name}"
    for name in ("multilabel", "multilabel_tree", *(f"prior/{p}" for p in ("half", "flip", "prevalence", "flow")))
}
# What an option needs to be told; it stands in the YAML as a mandatory key.
NEEDED: dict[str, list[str]] = {
    "smoothing/prior/vector": ["smoothing.prior.weights=[3,1]"],
    "smoothing/prior/similarity": ["smoothing.prior.matrix=[[1,0.2],[0.2,1]]"],
    "smoothing/prior/embeddings": ["smoothing.prior.embeddings=[[1,0.2],[0.3,1]]"],
    "smoothing/strength/by_class": ["smoothing.strength.epsilon=[0.1,0.02]"],
    "smoothing/strength/column": ["smoothing.strength.column=agreement"],
    "smoothing/strength/rules": ["smoothing.strength.rules=[{when:{column:agreement,below:0.7},epsilon:0.2}]"],
    "smoothing/strength/value": ["smoothing.strength.column=agreement", "smoothing.strength.values={0.5:0.2,1:0.0}"],
    "smoothing/prior/teacher": ["smoothing.prior.net.path=a/run"],
    "smoothing/strength/teacher": ["smoothing.strength.net.path=a/run"],
    "smoothing/teacher": ["smoothing.prior.net.path=a/run"],
}

# What they are told in tests: a tree too, which data may have.
TREE = ["smoothing.prior.tree=[benign,malignant]"]
TOLD = NEEDED | {
    "smoothing/prior/tree": TREE,
    **dict.fromkeys(["smoothing/hierarchical", "smoothing/hierarchical_slight"], TREE),
}

# Of labels, where they are no plain batch.
SHAPES = {"smoothing/prior/neighbours": (2, 2)}
