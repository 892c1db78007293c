/** What a record of the demo says: text, so that `weir get` shows it to people. */
#ifndef WI_DEMO_PAYLOAD_H
#define WI_DEMO_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/types.h>

#include "demo/packages.h"

/** Room for the text of one record. */
#define DEMO_PAYLOAD_SIZE 160

struct demo_payload {
    uint64_t put_index; /**< number of the record, from 0 in the order of putting */
    uint64_t round;     /**< how often the package was put before */
    uint64_t installed_kib;
    struct weir_str section; /**< points into the record */
};

/** "12 0 3218736 games": the four members with blanks between them. Returns the length. */
size_t demo_payload_format(const struct demo_payload *payload, char text[DEMO_PAYLOAD_SIZE]);

/** False if the data is nothing that demo_payload_format() writes. */
bool demo_payload_parse(struct weir_bytes data, struct demo_payload *ret);

#endif
