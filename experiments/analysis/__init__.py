"""From stored trajectories to numbers: arrays in, numbers out.

`trajectories` of runs, `statistics` of samples, `aggregate` measures over data sets, `speedup` of one search over another,
`fronts` of searches with several objectives, `rankings` by supernets, operations in `cells`.
"""
