"""Central storage: verify again, store, have the vault open the key, receipt."""
