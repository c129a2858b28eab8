"""Faults: a run that is broken off at each of its file operations, and inputs of every kind.

``python -m tests.faults`` (``make faults``) is all of it, ``--short`` a part that every change is
held to. :mod:`crash` breaks runs off, :mod:`fuzz` makes inputs that know their right reading.
"""
