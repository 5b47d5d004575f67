"""The parts that data modules are put together from: a dataclass each, whose fields are the keys of the config."""

from smoothlab.data.parts.columns import Columns
from smoothlab.data.parts.encoding import Encoding
from smoothlab.data.parts.labels import Labels
from smoothlab.data.parts.loading import Loading
from smoothlab.data.parts.reading import Reading
from smoothlab.data.parts.splits import Splits
from smoothlab.data.parts.training import Training
from smoothlab.data.parts.weights import Weights

__all__ = ["Columns", "Encoding", "Labels", "Loading", "Reading", "Splits", "Training", "Weights"]
