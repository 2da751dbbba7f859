"""What a batch would take, told before it is run."""
