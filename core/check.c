#include "core/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
wi_assert_failed(const char *file, int line, const char *expression)
{
    char text[512];
    (void)snprintf(text, sizeof text, "weir: bug: %s:%d: %s does not hold", file, line, expression);
    size_t length = strlen(text);
    text[length] = '\n'; /* instead of the final zero */
    /* One write: lines of several processes do not mix. The process ends whatever it returns. */
    if (write(STDERR_FILENO, text, length + 1) < 0) {
        abort();
    }
    abort();
}
