"""What all systems need and none owns: contracts, devices, checkpoints, reports."""
