"""Package list only, the rest is in pyproject.toml: `conf/` at the top level is the package `smoothlab.conf`."""

from setuptools import find_packages, setup

setup(packages=[*find_packages("src"), "smoothlab.conf"])
