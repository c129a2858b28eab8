"""Manifests of the stimulus sets and benchmarks that the program knows (common.data.manifest)."""
