#include <stdbool.h>
#include <stddef.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"

static bool
is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

enum weir_error
weir_name_check(struct weir_str text)
{
    if (text.length == 0 || text.length > WEIR_NAME_MAX) {
        return WEIR_EINVAL;
    }
    for (size_t i = 0; i < text.length; i++) {
        if (!is_name_character(text.data[i])) {
            return WEIR_EINVAL;
        }
    }
    /* Names become directories. */
    bool is_directory = wi_str_equal_z(text, ".") || wi_str_equal_z(text, "..");
    return is_directory ? WEIR_EINVAL : WEIR_OK;
}
