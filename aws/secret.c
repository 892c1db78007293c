#include "aws/secret.h"

#include <openssl/crypto.h>
#include <stddef.h>

#include "core/str.h"

void
wi_secret_free(struct wi_buffer *buffer)
{
    if (buffer->data != NULL) {
        OPENSSL_cleanse(buffer->data, buffer->capacity);
    }
    wi_buffer_free(buffer);
}
