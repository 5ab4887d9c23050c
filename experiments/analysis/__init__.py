"""From stored trajectories to numbers: `trajectories` of runs, `statistics` of samples, operations in `cells`."""
