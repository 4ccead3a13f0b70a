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
