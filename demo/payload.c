#include "demo/payload.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/types.h>

#include "demo/packages.h"

size_t
demo_payload_format(const struct demo_payload *payload, char text[DEMO_PAYLOAD_SIZE])
{
    const int length = snprintf(
        text,
        DEMO_PAYLOAD_SIZE,
        "%llu %llu %llu %.*s",
        (unsigned long long)payload->put_index,
        (unsigned long long)payload->round,
        (unsigned long long)payload->installed_kib,
        (int)payload->section.length,
        payload->section.data);

    return length > 0 && length < DEMO_PAYLOAD_SIZE ? (size_t)length : 0;
}

/* A number and the blank behind it, at *at. */
static bool
take_number(struct weir_bytes data, size_t *at, uint64_t *ret)
{
    const char *text = data.data;
    const size_t start = *at;
    uint64_t number = 0;

    for (; *at < data.length && text[*at] >= '0' && text[*at] <= '9'; (*at)++) {
        const uint64_t digit = (uint64_t)(text[*at] - '0');
        if (number > (UINT64_MAX - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    if (*at == start || *at == data.length || text[*at] != ' ') {
        return false;
    }
    (*at)++;
    *ret = number;
    return true;
}

bool
demo_payload_parse(struct weir_bytes data, struct demo_payload *ret)
{
    struct demo_payload payload;
    size_t at = 0;

    if (!take_number(data, &at, &payload.put_index) || !take_number(data, &at, &payload.round) ||
        !take_number(data, &at, &payload.installed_kib)) {
        return false;
    }
    payload.section = (struct weir_str){(const char *)data.data + at, data.length - at};
    if (payload.section.length == 0 || payload.section.length > DEMO_SECTION_NAME_MAX ||
        payload.installed_kib > DEMO_INSTALLED_SIZE_MAX) {
        return false;
    }
    *ret = payload;
    return true;
}
