"""`make bench`: how fast this project is, each figure beside its counterpart, measured in one run on one machine.

    python -m experiments.bench run                                     # on the embedded topology table
    python -m experiments.bench run --table TABLE --archive FOLDER      # on an official archive, and the table imported from it
    python -m experiments.bench check                                   # the last two runs of the bench, row by row

Counterparts of tables, searches and the importer are the `nats_bench` package on the same data and hpbandster's config
generator, those of the builder and of weight-sharing searches plainer ways to compute the same, those of several processes one.
"""
