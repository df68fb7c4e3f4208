"""The harness of tcplab: runs a scenario's programs, watches them and the kernel, and says what happened and why.

The rooms are the stages of a run, in the order in which the data flows:

stage       puts a run on stage: scenarios, building, the network, the processes, who goes on when
observe     everything that looks: processes, sockets, the wire, whether anything can still happen
trace       the records that a run yields, and their form in a file (TRACE.md)
judge       a run against its contract (CONTRACT.md): causes, comparison, verdict
tell        what people read of a run
explore     one scenario under many schedules
cli         the commands, one file each; __main__ finds them
"""
