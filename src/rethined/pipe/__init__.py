"""Frames in, filled frames out: streams of pictures of one size, and copies that stay where they are."""
