"""Many scenes: one coordinator and its ledger, workers on this machine or a cluster, what is published."""
