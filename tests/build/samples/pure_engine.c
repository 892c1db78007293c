#include <string.h>

size_t wi_pure_length(const char *text);

size_t
wi_pure_length(const char *text)
{
    return strlen(text);
}
