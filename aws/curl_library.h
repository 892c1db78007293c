/*
 * libcurl, loaded when the first client of an AWS service is opened and not before: most workers
 * need none, and its pages and those of the libraries that it brings would be four fifths of what
 * they have resident. No other file calls libcurl but through this table.
 */
#ifndef WI_AWS_CURL_LIBRARY_H
#define WI_AWS_CURL_LIBRARY_H

#include <curl/curl.h>
#include <curl/multi.h>

#include <weir/error.h>

/* Its name since 2006, whatever the system. */
#define WI_CURL_LIBRARY "libcurl.so.4"

/* Each function that is used: its member of struct wi_curl, and its name. */
#define WI_CURL_FUNCTIONS(FUNCTION)                                                                \
    FUNCTION(easy_cleanup, curl_easy_cleanup)                                                      \
    FUNCTION(easy_getinfo, curl_easy_getinfo)                                                      \
    FUNCTION(easy_init, curl_easy_init)                                                            \
    FUNCTION(easy_reset, curl_easy_reset)                                                          \
    FUNCTION(easy_setopt, curl_easy_setopt)                                                        \
    FUNCTION(easy_strerror, curl_easy_strerror)                                                    \
    FUNCTION(getdate, curl_getdate)                                                                \
    FUNCTION(global_cleanup, curl_global_cleanup)                                                  \
    FUNCTION(global_init, curl_global_init)                                                        \
    FUNCTION(multi_add_handle, curl_multi_add_handle)                                              \
    FUNCTION(multi_cleanup, curl_multi_cleanup)                                                    \
    FUNCTION(multi_info_read, curl_multi_info_read)                                                \
    FUNCTION(multi_init, curl_multi_init)                                                          \
    FUNCTION(multi_perform, curl_multi_perform)                                                    \
    FUNCTION(multi_poll, curl_multi_poll)                                                          \
    FUNCTION(multi_remove_handle, curl_multi_remove_handle)                                        \
    FUNCTION(multi_setopt, curl_multi_setopt)                                                      \
    FUNCTION(multi_strerror, curl_multi_strerror)                                                  \
    FUNCTION(multi_wakeup, curl_multi_wakeup)                                                      \
    FUNCTION(slist_append, curl_slist_append)                                                      \
    FUNCTION(slist_free_all, curl_slist_free_all)

#define WI_CURL_MEMBER(member, function) __typeof__(function) *(member);

/* The types are those of the header that weir was compiled with. */
struct wi_curl {
    WI_CURL_FUNCTIONS(WI_CURL_MEMBER)
};

/*
 * Load `library`, WI_CURL_LIBRARY but in tests, and find its functions. WEIR_EPLATFORM: it is not
 * there, or it lacks one; the detail says what to install. The library stays in the process: its
 * handlers of thread and process ends may run at any time. Thread-safe.
 */
WEIR_MUST_CHECK enum weir_error wi_curl_load(
    const char *library, struct wi_curl *ret, struct weir_detail *detail);

#endif
