"""What a batch would take, before it runs."""
