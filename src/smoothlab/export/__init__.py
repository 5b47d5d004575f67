"""Models as one file that runs elsewhere: an ONNX graph, or a program of torch.export."""

from smoothlab.export.loading import Exported, load

__all__ = ["Exported", "load"]
