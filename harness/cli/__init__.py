"""The commands, one file each. A command takes the arguments of the command line, and returns an exit status.

Each file has add(commands), which describes its arguments to argparse, and go(args), which runs it. shared has what several
commands need.
"""
