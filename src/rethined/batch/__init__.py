"""Many photographs in one run: what is to be done, what is done already, and doing the rest."""
