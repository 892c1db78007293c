#ifndef WI_CORE_STR_H
#define WI_CORE_STR_H

#include <stddef.h>

/* Length of "// no comment" and the like. */
size_t wi_str_length(const char *text);

#endif
