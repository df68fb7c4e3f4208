"""The commands, one file each. In come the arguments of the command line; out goes an exit status.

Each has add(commands), which describes its arguments to argparse, and go(args), which does it. shared has what several need.
"""
