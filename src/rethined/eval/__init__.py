"""Evaluation: methods fill the same holes, and scores say how well."""
