"""Networks for runtimes other than the one they were trained in."""
