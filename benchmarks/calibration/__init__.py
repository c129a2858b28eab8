"""Calibration: how often the verdict is wrong where the truth is known, before and after."""
