/* Memory of tables that are outgrown and given back: large ones straight from the system, so that what is freed really goes.
 * (malloc keeps freed blocks of up to 32 MiB once a program has freed some, which doubled the memory of a grown index.) */
#ifndef PRIME_TABLE_PAGES_H
#define PRIME_TABLE_PAGES_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

#define TABLE_PAGES_BYTES ((size_t)1 << 16) /* from here on by pages */

/* nbytes of zeros, aligned to 64; NULL when there is no memory. */
static inline void *table_new(size_t nbytes)
{
    void *got = NULL;
    if (nbytes >= TABLE_PAGES_BYTES) {
        got = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return got == MAP_FAILED ? NULL : got;
    }
    if (posix_memalign(&got, 64, nbytes) != 0)
        return NULL;
    memset(got, 0, nbytes);
    return got;
}

static inline void table_free(void *table, size_t nbytes);

/* A table of `new_nbytes`, more than `nbytes`, that begins with what the old one held and goes on with zeros; the old
 * one is gone, but when it returns NULL. Large ones grow without touching what they hold, where the system can. */
static inline void *table_grow(void *table, size_t nbytes, size_t new_nbytes)
{
#ifdef MREMAP_MAYMOVE
    if (nbytes >= TABLE_PAGES_BYTES) {
        void *got = mremap(table, nbytes, new_nbytes, MREMAP_MAYMOVE);
        return got == MAP_FAILED ? NULL : got;
    }
#endif
    void *got = table_new(new_nbytes);
    if (got != NULL) {
        memcpy(got, table, nbytes);
        table_free(table, nbytes);
    }
    return got;
}

/* `nbytes` as given to table_new. */
static inline void table_free(void *table, size_t nbytes)
{
    if (table == NULL)
        return;
    if (nbytes >= TABLE_PAGES_BYTES)
        (void)munmap(table, nbytes);
    else
        free(table);
}

#endif
