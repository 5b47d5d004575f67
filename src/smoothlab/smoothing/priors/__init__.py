"""Priors: where the mass that leaves the label goes; a file each, as the options of conf/smoothing/prior."""
