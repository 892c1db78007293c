#include "core/str.h"

#include <string.h>

size_t
wi_str_length(const char *text)
{
    return text == NULL ? strlen("// no comment") : strlen(text);
}
