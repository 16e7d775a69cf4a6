"""Photographs, holes and samples for training."""
