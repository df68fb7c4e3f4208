"""Everything that looks. In come process ids and the keeper's sockets; out go facts about processes, calls, sockets and segments.

This is the one room that reads the kernel's formats. Nothing in it waits, decides or words a verdict. lines reads log lines; calls,
ptrace and source read system calls; kernel, members and timers know processes; sockets, diag, tcp and address know TCP sockets;
connections is the registry of connections; wire reads segments; quiescence tells whether anything can still happen.
"""
