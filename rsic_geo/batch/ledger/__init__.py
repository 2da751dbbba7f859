"""The ledger of a batch: a GeoPackage, its tables, and the lock that keeps it to one writer."""
