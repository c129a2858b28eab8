"""Manifests of the stimulus sets and benchmarks that the program knows (see common.manifest)."""
