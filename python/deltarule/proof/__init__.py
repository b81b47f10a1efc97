"""What shows that the mathematics is right: every quantity of the derivation, by name."""
