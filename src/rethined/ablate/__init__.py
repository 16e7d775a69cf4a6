"""Ablations: variants of a training run, given the same time from the same start, beside each other."""
