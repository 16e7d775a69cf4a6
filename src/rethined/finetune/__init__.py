"""Fine-tuning: the shipped weights, a user's own photographs, and whether it helped."""
