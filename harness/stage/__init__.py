"""Puts a run on stage. In comes a scenario and a policy; out goes a trace.Run.

scenarios finds the folders, and build has make build them. The keeper is a process of its own: it makes the network, starts the
programs and ends them. The conductor takes in all that the run yields, in one queue, and lets the policy decide who goes on.
"""
