"""Building blocks that know no paper: recurrent cells, parallel blocks, MLPs, the gate."""
