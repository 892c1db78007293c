/* HTTP over which the first answer to each request is lost: the server has carried it out, and
 * nobody knows. */
#ifndef WI_TESTS_CONTRACT_LEASE_LOSSY_HTTP_H
#define WI_TESTS_CONTRACT_LEASE_LOSSY_HTTP_H

#include "aws/http.h"

/* Put it between a client and its HTTP; *http stays the client's. Ends with wi_http_close(). */
void lossy_http_wrap(struct wi_http *http);

/* Answers lost so far. */
unsigned lossy_http_lost(const struct wi_http *http);

#endif
