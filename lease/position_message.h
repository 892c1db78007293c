/* A position as a message. */
#ifndef WI_LEASE_POSITION_MESSAGE_H
#define WI_LEASE_POSITION_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/types.h>

#include "wire/weir.pb-c.h"

#define WI_SEQUENCE_NUMBER_BYTES 32U

/* A message and what it points to. */
struct wi_position_message {
    Weir__Position message;
    uint8_t number[WI_SEQUENCE_NUMBER_BYTES];
};

/* False if the message is absent or its values are no position. */
bool wi_position_from_message(const Weir__Position *message, struct weir_position *ret);

/* Let *slot stand for `position`: what is there stays if it means the same (with fields of newer
 * versions), else *slot becomes `spare`, which must live until the message is packed. */
void wi_position_to_message(
    const struct weir_position *position, struct wi_position_message *spare, Weir__Position **slot);

#endif
