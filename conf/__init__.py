"""The YAML files of this folder are the package `smoothlab.conf`: every choice that a user can make."""
