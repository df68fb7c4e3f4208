// The negative control of the judges of memory: reads behind an allocation, or leaks one. Usage: judge_check read|leak
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    char *volatile bytes = malloc(8);
    memset(bytes, 'x', 8);
    if (argc > 1 && strcmp(argv[1], "read") == 0)
        printf("%d\n", ((volatile char *)bytes)[8] == 'x');
    bytes = NULL;
}
