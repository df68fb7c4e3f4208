// Greets each client with its own name.
#include "greet.h"

int main(int argc, char **argv)
{
    greet_all(argc, argv, "other");
}
