"""Pure functions from a trace. In come a Run and a contract's text; out goes a Verdict.

contract reads the notation, sides tells the two ends of each connection apart, causes derives which orders were forced in this run,
ports finds who listens on another port than the one that it was given, comparison sets the run against the contract.
"""
