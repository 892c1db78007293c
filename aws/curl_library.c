#include "aws/curl_library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include <weir/error.h>

#include "core/check.h"
#include "core/detail.h"

struct function {
    const char *name;
    size_t offset; /* of its pointer in struct wi_curl */
};

#define FUNCTION_ENTRY(member, function) {#function, offsetof(struct wi_curl, member)},

static const struct function functions[] = {WI_CURL_FUNCTIONS(FUNCTION_ENTRY)};

/* POSIX has dlsym() give functions as pointers to data of the same size. */
_Static_assert(sizeof(void *) == sizeof(void (*)(void)), "pointers to functions and data");
_Static_assert(
    sizeof(struct wi_curl) == WI_ARRAY_LENGTH(functions) * sizeof(void *), "a table of pointers");

static enum weir_error
not_usable(const char *library, const char *why, struct weir_detail *detail)
{
    return wi_detail(
        detail,
        WEIR_EPLATFORM,
        "kinesis: and dynamodb: URLs need %s, which cannot be used: install your system's package "
        "of "
        "it (Debian: libcurl4), 7.85 or newer (%s)",
        library,
        why);
}

enum weir_error
wi_curl_load(const char *library, struct wi_curl *ret, struct weir_detail *detail)
{
    /* All of it at once: what is missing is to be known now, not in the midst of a request. */
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    struct wi_curl found;
    enum weir_error error = WEIR_OK;

    if (handle == NULL) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): of this thread, in every libc of Linux */
        return not_usable(library, dlerror(), detail);
    }
    for (size_t i = 0; i < WI_ARRAY_LENGTH(functions) && error == WEIR_OK; i++) {
        void *address = dlsym(handle, functions[i].name);

        if (address == NULL) {
            error = not_usable(library, functions[i].name, detail);
        }
        memcpy((char *)&found + functions[i].offset, &address, sizeof address);
    }
    (void)dlclose(handle);
    if (error == WEIR_OK) {
        *ret = found;
    }
    return error;
}
