"""Notes or audio <-> model arrays; every codec is invertible on the grid."""
