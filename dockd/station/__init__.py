"""The docking station: verify the custody of docked cameras, hold their footage, offload it."""
