"""What an archive needs after its run: fixity, restoring, a lost ledger, ledgers of parts, bags."""
