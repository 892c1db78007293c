/* Text about one failure, for the caller's struct weir_detail. */
#ifndef WI_CORE_DETAIL_H
#define WI_CORE_DETAIL_H

#include <weir/error.h>
#include <weir/version.h>

/* Fill the detail, if it is not NULL, and return `error`, so that a failure is one statement:
 *     return wi_detail(detail, WEIR_EINVAL, "shards: %d is outside [1, 10000]", shards);
 * Too long a text is cut. Arguments may point into detail->text. */
enum weir_error wi_detail(
    struct weir_detail *detail, enum weir_error error, const char *format, ...) WEIR_PRINTF(3, 4);

/* Put a context and ": " in front of the detail, if it is not NULL. An empty detail becomes the
 * context alone. */
void wi_detail_prefix(struct weir_detail *detail, const char *format, ...) WEIR_PRINTF(2, 3);

#endif
