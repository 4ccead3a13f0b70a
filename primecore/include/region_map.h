/* Reserving virtual ranges, on Linux and macOS. Knows pages only. */
#ifndef PRIME_REGION_MAP_H
#define PRIME_REGION_MAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define REGION_HUGE_BYTES ((size_t)2 << 20)   /* a huge page, and what a range's base is aligned to */
#define REGION_SMALL_BYTES ((size_t)4 << 20)  /* up to here plain pages: small stores stay small */
#define REGION_LEAST_BYTES ((size_t)1 << 16)  /* less than this is no use to anyone */

#define REGION_SHARE 64                       /* of a limited address space one range takes at most 1/64: a store has some 40 */

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

/* Maps about *reserve bytes: fewer under RLIMIT_AS, and half as many as long as the system refuses.
 * Sets *mapping, *mapping_bytes, and *reserve to what the aligned base has behind it. NULL when nothing can be had. */
static inline char *region_map(size_t *reserve, void **mapping, size_t *mapping_bytes)
{
#if defined(__SANITIZE_THREAD__)
    *reserve >>= 6; /* it leaves a program 1.5 TiB of addresses, which one store would take whole */
    if (*reserve < REGION_LEAST_BYTES)
        *reserve = REGION_LEAST_BYTES;
#endif
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        while (*reserve > REGION_LEAST_BYTES && *reserve > limit.rlim_cur / REGION_SHARE)
            *reserve >>= 1;
    for (size_t wanted = *reserve; wanted >= REGION_LEAST_BYTES; wanted >>= 1) {
        size_t slack = wanted > REGION_SMALL_BYTES ? REGION_HUGE_BYTES : 0;
        void *got = mmap(NULL, wanted + slack, PROT_READ | PROT_WRITE,
                         MAP_NORESERVE | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (got == MAP_FAILED)
            continue;
        *mapping = got;
        *mapping_bytes = wanted + slack;
        *reserve = wanted;
        char *base = (char *)got;
        if (slack)
            base = (char *)(((uintptr_t)got + slack - 1) & ~(uintptr_t)(slack - 1));
        /* Advice only: a kernel that does not know it loses nothing but speed. */
#ifdef MADV_DONTDUMP
        (void)madvise(got, wanted + slack, MADV_DONTDUMP);
#endif
#ifdef MADV_HUGEPAGE
        if (slack)
            (void)madvise(base + REGION_SMALL_BYTES, wanted - REGION_SMALL_BYTES, MADV_HUGEPAGE);
#endif
        return base;
    }
    return NULL;
}

static inline void region_unmap(void *mapping, size_t mapping_bytes)
{
    if (mapping != NULL)
        (void)munmap(mapping, mapping_bytes);
}

#endif
