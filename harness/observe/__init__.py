"""Everything that looks. In come process ids and the keeper's sockets; out go facts about processes, sockets and segments.

This is the one room that reads the kernel's formats. Nothing in it waits, decides or words anything.
"""
