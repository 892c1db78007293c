#include "core/memory.h"

#include <stdint.h>
#include <string.h>

#include <weir/env.h>

#include "core/check.h"

/* What is asked of the allocator: size 0 would free. */
static size_t
at_least_one(size_t size)
{
    return size == 0 ? 1 : size;
}

void *
wi_alloc(const struct weir_env *env, size_t size)
{
    void *memory = wi_resize(env, NULL, size);
    if (memory != NULL) {
        memset(memory, 0, at_least_one(size));
    }
    return memory;
}

void *
wi_alloc_array(const struct weir_env *env, size_t count, size_t size)
{
    return size != 0 && count > SIZE_MAX / size ? NULL : wi_alloc(env, count * size);
}

void *
wi_resize(const struct weir_env *env, void *memory, size_t size)
{
    WEIR_ASSERT(env->allocator.resize != NULL);
    return env->allocator.resize(env->allocator.context, memory, at_least_one(size));
}

void *
wi_resize_array(const struct weir_env *env, void *memory, size_t count, size_t size)
{
    return size != 0 && count > SIZE_MAX / size ? NULL : wi_resize(env, memory, count * size);
}

void
wi_free(const struct weir_env *env, void *memory)
{
    if (memory != NULL) {
        void *rest = env->allocator.resize(env->allocator.context, memory, 0);
        WEIR_ASSERT(rest == NULL);
    }
}

char *
wi_strdup(const struct weir_env *env, const char *text)
{
    WEIR_ASSERT(text != NULL);
    size_t size = strlen(text) + 1;
    char *copy = wi_resize(env, NULL, size);
    if (copy != NULL) {
        memcpy(copy, text, size);
    }
    return copy;
}
