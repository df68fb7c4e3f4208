"""The harness of tcplab: runs a scenario's two programs, watches them and the kernel, and says what happened and why.

scenarios   finds the scenario folders                 build      has make build them
keeper      network of its own, processes, limits      conductor  collects events, decides who goes on
kernel      what /proc and the sockets say             waits      quiescence and deadlock, from these facts
capture     the segments on the wire                   trace      the records of a run (TRACE.md)
contract    the notation                               causes     which orders TCP forced in a run
judge       run against contract                       words      what a learner reads of it
screen      live output                                __main__   the command line
"""
