"""Puts a run on stage. In comes a scenario and a policy; out goes a trace.Run.

scenarios finds the folders, cast reads who takes part (stage.txt), and build has make build them. The keeper is a process of its own:
it makes the network, starts the programs (spawner) and ends them. The conductor leads a run: starts says who is started when,
policies say who goes on when, intake takes all news into the book in one order, limits say when a run is given up, and ending makes
the Run of it.
"""
