"""Everything that looks at the programs. It takes process ids and the keeper's sockets, and returns facts about processes, calls,
sockets and segments.

Only this room reads the kernel's formats. Nothing in it waits, decides, or words a verdict. lines reads log lines; calls, ptrace
and source read system calls; kernel, members, pids and timers know processes; sockets, diag, tcp and address know TCP sockets;
connections is the registry of connections; wire reads segments; quiescence and glance tell whether anything can still happen;
sanitizer reads reports of sanitizers.
"""
