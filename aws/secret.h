/* Memory that held a secret is overwritten before it goes back. */
#ifndef WI_AWS_SECRET_H
#define WI_AWS_SECRET_H

#include "core/str.h"

/* wi_buffer_free() of a buffer with a secret. */
void wi_secret_free(struct wi_buffer *buffer);

#endif
