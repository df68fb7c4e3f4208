// What both servers do. This folder's greet.c has no main: it goes into each of the programs.
#ifndef TCPLAB_GREET_H
#define TCPLAB_GREET_H

// Listens where the arguments say, and greets each client with the line "NAME\n". Does not return.
void greet_all(int argc, char **argv, const char *name);

#endif
