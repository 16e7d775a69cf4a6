"""Training losses, one idea a file."""
