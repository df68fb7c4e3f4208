"""Puts a run on stage: takes a scenario and a policy, and returns a trace.Run.

scenarios finds the folders, cast reads who takes part (stage.txt), and build has make build the programs. The keeper is a process
of its own: it makes the network, starts the programs (spawner) and ends them. The conductor leads a run: starts tells which
program starts when, policies tell which thread goes on when, intake takes all news into the book in one order, limits tell when a
run is given up, and ending makes the Run.
"""
