/* The names of several streams as one text for people: `orders,payments`, or `300 streams`. */
#ifndef WI_CORE_STREAM_NAMES_H
#define WI_CORE_STREAM_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/types.h>

/* `text` says at any time what was added so far. */
struct wi_stream_names {
    char text[WEIR_NAME_SIZE];
    size_t count;
    bool is_full; /* the names had no room: only their number is told */
};

/* Without names: `0 streams`. */
void wi_stream_names_init(struct wi_stream_names *names);

void wi_stream_names_add(struct wi_stream_names *names, struct weir_str name);

#endif
