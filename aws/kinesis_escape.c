/* Escapes of JSON strings. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/kinesis_page.h"

static bool
hex4(const char *from, const char *end, uint32_t *ret)
{
    uint32_t value = 0;

    if (end - from < 4) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        const char c = from[i];

        value <<= 4;
        if (c >= '0' && c <= '9') {
            value |= (uint32_t)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            value |= (uint32_t)((c | 0x20) - 'a' + 10);
        } else {
            return false;
        }
    }
    *ret = value;
    return true;
}

static size_t
put_utf8(uint32_t code, char *to)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* \uXXXX, perhaps with its other half; *from stands behind the 'u'. */
static bool
unescape_unicode(const char **from, const char *end, char *to, size_t *length)
{
    uint32_t code;
    uint32_t low;

    if (!hex4(*from, end, &code)) {
        return false;
    }
    *from += 4;
    if (code >= 0xd800 && code < 0xdc00 && end - *from >= 6 && (*from)[0] == '\\' &&
        (*from)[1] == 'u' && hex4(*from + 2, end, &low) && low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
        *from += 6;
    } else if (code >= 0xd800 && code < 0xe000) {
        code = 0xfffd;
    }
    *length += put_utf8(code, to + *length);
    return true;
}

enum weir_error
wi_kinesis_unescape(struct weir_str text, char *to, size_t *ret_length)
{
    static const char names[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char *from = text.data;
    const char *end = text.data + text.length;
    size_t length = 0;

    while (from < end) {
        const char *name;

        if (*from != '\\') {
            to[length++] = *from++;
            continue;
        }
        if (++from == end) {
            return WEIR_ECORRUPT;
        }
        if (*from == 'u') {
            from++;
            if (!unescape_unicode(&from, end, to, &length)) {
                return WEIR_ECORRUPT;
            }
            continue;
        }
        name = *from == '\0' ? NULL : strchr(names, *from);
        if (name == NULL) {
            return WEIR_ECORRUPT;
        }
        to[length++] = meanings[name - names];
        from++;
    }
    *ret_length = length;
    return WEIR_OK;
}
