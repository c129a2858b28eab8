"""Speed and memory, measured as ratios within one run: absolute times say little elsewhere."""
