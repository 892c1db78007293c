#include "aws/aws_complaint.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>

#include "core/mono.h"

static unsigned
place_of(struct wi_aws_complaints *complaints, const char *name)
{
    unsigned at = 0;

    while (at < complaints->count && strcmp(complaints->places[at].name, name) != 0) {
        at++;
    }
    if (at == WI_AWS_COMPLAINTS_MAX) {
        return at - 1;
    }
    if (at == complaints->count) {
        complaints->count++;
        memcpy(complaints->places[at].name, name, WI_AWS_COMPLAINT_NAME_SIZE);
    }
    return at;
}

bool
wi_aws_complain(
    struct wi_aws_complaints *complaints,
    const char *operation,
    const char *type,
    struct weir_mono now,
    uint64_t *ret_hidden)
{
    char name[WI_AWS_COMPLAINT_NAME_SIZE] = "";
    unsigned at;

    (void)snprintf(name, sizeof name, "%s %s", operation, type);
    at = place_of(complaints, name);
    if (wi_mono_before(now, complaints->places[at].not_before)) {
        complaints->places[at].hidden++;
        return false;
    }
    *ret_hidden = complaints->places[at].hidden;
    complaints->places[at].hidden = 0;
    complaints->places[at].not_before = wi_mono_add_ms(now, WI_AWS_COMPLAINT_INTERVAL_MS);
    return true;
}
