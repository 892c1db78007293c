/** The package index that the demo plays with: Debian's control stanzas, read with care. */
#ifndef WI_DEMO_PACKAGES_H
#define WI_DEMO_PACKAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/types.h>

/** Most packages; what stands behind them is left out, and said so. */
#define DEMO_PACKAGES_MAX 1000000
/** Most sections; packages of further ones count as DEMO_NO_SECTION. */
#define DEMO_SECTIONS_MAX 1000
/** Longest package and section name that is used. */
#define DEMO_PACKAGE_NAME_MAX 255
#define DEMO_SECTION_NAME_MAX 63
/** Section of packages that state none. */
#define DEMO_NO_SECTION "(none)"
/** Longest line that is looked at; longer ones are skipped. */
#define DEMO_LINE_MAX ((size_t)64 << 10)
/** Largest installed size that is believed, in KiB: sums cannot overflow. */
#define DEMO_INSTALLED_SIZE_MAX ((uint64_t)1 << 36)

/** A section and what the file says of it: one round of all packages. */
struct demo_section {
    struct demo_section *next; /**< in order of appearance */
    char name[DEMO_SECTION_NAME_MAX + 1];
    uint64_t packages;
    uint64_t installed_kib;
};

/** One package. */
struct demo_package {
    size_t name_at; /**< where its name begins in struct demo_index's names */
    struct demo_section *section;
    uint64_t installed_kib; /**< 0 if it is not stated */
    uint32_t key;           /**< equal for equal names, below key_count; after sealing */
};

/** All of them. Start with all members zero. */
struct demo_index {
    struct demo_package *packages;
    size_t count;
    size_t capacity;
    char *names; /**< of all packages, each with its final zero */
    size_t names_length;
    size_t names_capacity;
    struct demo_section *first_section;
    struct demo_section *last_section;
    size_t section_count;
    void *sections_by_name; /**< of tsearch(3) */
    size_t key_count;
    size_t skipped;     /**< stanzas without a usable name, and those above the bound */
    const char *source; /**< where they come from, for people */
};

/** The fields of the stanza at hand. Start with all members zero. */
struct demo_stanza {
    char name[DEMO_PACKAGE_NAME_MAX + 1];
    char section[DEMO_SECTION_NAME_MAX + 1];
    uint64_t installed_kib;
    bool has_lines;
};

/**
 * One line, without its newline: a field of the stanza, or the blank line that ends it. Whatever
 * cannot be used counts as missing: without a name a stanza is skipped, without a section it is in
 * DEMO_NO_SECTION, without a size it is 0.
 * @return false if memory runs out
 */
bool demo_packages_line(
    struct demo_index *index, struct demo_stanza *stanza, struct weir_bytes line);

/** The input is over. False if memory runs out. */
bool demo_packages_end(struct demo_index *index, struct demo_stanza *stanza);

/** Number the names. After the last package, before the first use of `key`. False: no memory. */
bool demo_packages_seal(struct demo_index *index);

/** Name of package number `package`; valid until the next line is read. */
const char *demo_packages_name(const struct demo_index *index, size_t package);

/** Free everything. */
void demo_packages_free(struct demo_index *index);

/**
 * Fill the index from `file`, or if that is NULL from `apt-cache dumpavail`, else from dpkg's
 * status file; seal it.
 * @return an exit status; unless it is CLI_OK a line about it has been written
 */
int demo_packages_load(struct demo_index *index, const char *file);

#endif
