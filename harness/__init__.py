"""The harness of tcplab: runs a scenario's programs, watches them and the kernel, and says what happened and why.

The rooms, in the order in which the data flows through them:

stage       puts a run on stage: scenarios, building, the network, the processes, who goes on when
observe     everything that looks: processes, sockets, the wire, whether anything can still happen
trace       the records of a run, and their form in a file (TRACE.md)
judge       compares a run with its contract (CONTRACT.md): causes, comparison, verdict
tell        what people read of a run
explore     one scenario under many schedules
learn       what goes on between a learner and the lab: exercises, predictions, questions, hints
cli         the commands, one file each; __main__ finds them
"""

import sys

import _signal  # type: ignore      # not signal, which imports more: until main() begins, Ctrl-C ends the command without a word

if sys.argv[:1] == ["-m"] and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, {_signal.SIGINT})      # the Makefile has it wait until here
