"""Judges a run: pure functions that take a Run and a contract's text, and return a Verdict.

contract reads the notation. sides tells the two ends of each connection apart. causes derives which orders were forced in the
run. ports finds the programs that listen on another port than the one that they were given. comparison compares the run with the
contract.
"""
