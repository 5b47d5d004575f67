"""Synthetic domains: made-up rows whose posterior p(y | x) is known, to judge calibration without an estimate.

The place of a synthetic translation (a bilingual grammar) is here too; it comes with the translation task.
"""

from smoothlab.data.synthetic.class_conditional import ClassConditional
from smoothlab.data.synthetic.domain import Domain
from smoothlab.data.synthetic.domains import Diagnosis, Grades, Market, Segments
from smoothlab.data.synthetic.encoder import SyntheticEncoder
from smoothlab.data.synthetic.labelling import Labelling
from smoothlab.data.synthetic.module import SyntheticMemory, SyntheticStream, synthetic_data
from smoothlab.data.synthetic.ordinal_threshold import OrdinalThreshold
from smoothlab.data.synthetic.rows import SyntheticRows

__all__ = [
    "ClassConditional",
    "Diagnosis",
    "Domain",
    "Grades",
    "Labelling",
    "Market",
    "OrdinalThreshold",
    "Segments",
    "SyntheticEncoder",
    "SyntheticMemory",
    "SyntheticRows",
    "SyntheticStream",
    "synthetic_data",
]
