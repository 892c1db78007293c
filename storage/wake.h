/*
 * The wake page: words that grow when something was committed, and a futex on one of them, so that
 * a process that waits for news sleeps without polling. A hint only: what is true stands in the
 * data. A process that dies leaves nothing behind here but a waiter too many.
 */
#ifndef WI_STORAGE_WAKE_H
#define WI_STORAGE_WAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>

struct wi_wake_page;

struct wi_wake {
    struct wi_wake_page *page; /* NULL: no file (read-only copy) */
    bool is_writable;          /* else waits poll, since a waiter cannot announce itself */
    atomic_uint interrupts;    /* raised by wi_wake_interrupt() where the page is not writable */
};

/* Map the page, made and zeroed if missing. `is_first`: no other process has it mapped. */
enum weir_error wi_wake_open(
    int directory_fd,
    bool read_only,
    bool is_first,
    struct wi_wake *ret,
    struct weir_detail *detail);

/* Unmap. */
void wi_wake_close(struct wi_wake *wake);

/* See storage.h. */
void wi_wake_raise(struct wi_wake *wake, uint32_t slot);
uint32_t wi_wake_word(const struct wi_wake *wake);
uint32_t wi_wake_slot(const struct wi_wake *wake, uint32_t slot);
uint32_t wi_wake_wait(struct wi_wake *wake, uint32_t seen, int64_t timeout_ms);
void wi_wake_interrupt(struct wi_wake *wake);

#endif
