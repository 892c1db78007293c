/* Memory of an environment. NULL always means that there is none left (WEIR_ENOMEM). */
#ifndef WI_CORE_MEMORY_H
#define WI_CORE_MEMORY_H

#include <stddef.h>

#include <weir/env.h>

/* `size` bytes of zeros; size 0 gives a block too. */
void *wi_alloc(const struct weir_env *env, size_t size);

/* `count` elements of `size` bytes, all zeros; NULL also if count * size overflows. */
void *wi_alloc_array(const struct weir_env *env, size_t count, size_t size);

/* Grow or shrink; what is new is not zeroed. On failure NULL, and `memory` stays as it is. */
void *wi_resize(const struct weir_env *env, void *memory, size_t size);

/* wi_resize() to `count` elements of `size` bytes; NULL also if count * size overflows. */
void *wi_resize_array(const struct weir_env *env, void *memory, size_t count, size_t size);

/* Free; NULL is a no-op. */
void wi_free(const struct weir_env *env, void *memory);

/* A copy of zero-terminated text. */
char *wi_strdup(const struct weir_env *env, const char *text);

#endif
