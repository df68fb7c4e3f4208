// Quotes each line of its input, which holds the bytes in hexadecimal.
#include <stdio.h>
#include <stdlib.h>

#include "quote.h"

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    while ((n = getline(&line, &size, stdin)) > 0) {
        size_t count = (size_t)(n - 1) / 2;
        unsigned char *bytes = malloc(count + 1);
        for (size_t i = 0; i < count; i++) {
            unsigned byte;
            sscanf(line + 2 * i, "%2x", &byte);
            bytes[i] = (unsigned char)byte;
        }
        puts(quoted(bytes, count));
        free(bytes);
    }
    free(line);
}
