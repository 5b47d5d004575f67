"""Package list only, the rest is in pyproject.toml: `conf/` at the top level is the package `smoothlab.conf`."""

from setuptools import find_packages, setup

# `hydra_plugins` has no __init__: it is shared with other packages that bring plugins.
setup(packages=[*find_packages("src"), "smoothlab.conf", "hydra_plugins.smoothlab_plugins"])
