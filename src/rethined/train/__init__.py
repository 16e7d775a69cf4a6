"""Training: settings, the loop, and states that resume exactly."""
