"""Strengths: how much probability mass leaves the label; a file each, as the options of conf/smoothing/strength."""
