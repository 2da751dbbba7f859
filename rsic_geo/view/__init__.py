"""``rsic view``: an archive, its original and what lies between them, in a browser on this machine."""
