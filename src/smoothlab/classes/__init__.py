"""The classes of a task: their names and counts in the training data, and trees of them."""

from smoothlab.classes.hierarchy import Hierarchy
from smoothlab.classes.info import ClassInfo, NeedsClasses
from smoothlab.classes.tree import ClassTree
from smoothlab.classes.tree_file import read_tree

__all__ = ["ClassInfo", "ClassTree", "Hierarchy", "NeedsClasses", "read_tree"]
