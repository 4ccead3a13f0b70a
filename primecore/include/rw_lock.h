/* A lock that many readers or one writer hold, and that lets a waiting writer in before further readers. */
#ifndef PRIME_RW_LOCK_H
#define PRIME_RW_LOCK_H

#include <pthread.h>
#include <stdlib.h>

typedef pthread_rwlock_t rw_lock_t;

static inline rw_lock_t *rw_lock_new(void) {
    rw_lock_t *lock = malloc(sizeof *lock);
    pthread_rwlockattr_t attributes;
    if (lock == NULL)
        return NULL;
    pthread_rwlockattr_init(&attributes);
#ifdef __GLIBC__
    /* glibc lets readers pass a writer that waits, for ever if they keep coming; elsewhere that is not the default. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
    if (pthread_rwlock_init(lock, &attributes) != 0) {
        free(lock);
        lock = NULL;
    }
    pthread_rwlockattr_destroy(&attributes);
    return lock;
}

static inline void rw_lock_free(rw_lock_t *lock) {
    if (lock != NULL) {
        pthread_rwlock_destroy(lock);
        free(lock);
    }
}

static inline void rw_lock_read(rw_lock_t *lock) { pthread_rwlock_rdlock(lock); }
static inline void rw_lock_write(rw_lock_t *lock) { pthread_rwlock_wrlock(lock); }
static inline void rw_lock_leave(rw_lock_t *lock) { pthread_rwlock_unlock(lock); }

#endif
