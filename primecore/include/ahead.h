/* Work cut into pieces that one thread takes in order. Pieces are made ready ahead of it by a helper thread and, where
 * that one lags behind, by the taker itself. Knows neither what a piece is nor Python.
 *
 * `claim` says what the next piece is (0: there is none); it runs under the lock, in order. `make` makes one ready,
 * outside of it. A piece that was taken stays the taker's until it asks for the next. */
#ifndef PRIME_AHEAD_H
#define PRIME_AHEAD_H

#include <pthread.h>
#include <stdint.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "threads.h"

#define AHEAD_PIECES 32     /* so many that the helper is woken for two dozen at once: each time costs some pieces' work */
#define AHEAD_SPINS 2000    /* looks at a piece that is nearly ready, before sleeping: some 20 us */

typedef int (*ahead_claim_t)(void *context, uint32_t piece);
typedef void (*ahead_make_t)(void *context, uint32_t piece);

typedef struct {
    pthread_mutex_t lock;       /* of all that follows; what is in a piece changes hands by it */
    pthread_cond_t wanted;      /* the helper sleeps here */
    pthread_cond_t settled;     /* the taker waits here for the helper */
    ahead_claim_t claim;
    ahead_make_t make;
    void *context;
    uint64_t taken;             /* pieces the taker is done with */
    uint64_t claimed;
    uint8_t ready[AHEAD_PIECES];
    uint8_t open;               /* there may be more to claim */
    uint8_t held;               /* the taker works on piece `taken` */
    uint8_t busy;               /* the helper makes one ready; read without the lock too */
    uint8_t asleep;             /* the helper, on `wanted` */
    uint8_t waiting;            /* the taker, on `settled` */
    uint8_t stop;
    uint8_t running;
    pthread_t thread;
} ahead_t;

static inline void ahead_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

/* With the lock held. */
static int ahead_next(ahead_t *work, uint32_t *piece) {
    if (!work->open || work->claimed - work->taken == AHEAD_PIECES)
        return 0;
    *piece = (uint32_t)(work->claimed % AHEAD_PIECES);
    work->open = work->claim(work->context, *piece) != 0;
    if (!work->open)
        return 0;
    work->ready[*piece] = 0;
    work->claimed++;
    return 1;
}

static void *ahead_body(void *argument) {
    ahead_t *work = argument;
    uint32_t piece;
    pthread_mutex_lock(&work->lock);
    while (!work->stop) {
        if (!ahead_next(work, &piece)) {
            work->asleep = 1;
            pthread_cond_wait(&work->wanted, &work->lock);
            work->asleep = 0;
            continue;
        }
        __atomic_store_n(&work->busy, 1, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&work->lock);
        work->make(work->context, piece);
        pthread_mutex_lock(&work->lock);
        work->ready[piece] = 1;
        __atomic_store_n(&work->busy, 0, __ATOMIC_RELEASE);
        if (work->waiting)
            pthread_cond_signal(&work->settled);
    }
    pthread_mutex_unlock(&work->lock);
    return NULL;
}

static inline int ahead_init(ahead_t *work, ahead_claim_t claim, ahead_make_t make, void *context) {
    memset(work, 0, sizeof *work);
    work->claim = claim;
    work->make = make;
    work->context = context;
    int error = pthread_mutex_init(&work->lock, NULL);
    if (!error)
        error = pthread_cond_init(&work->wanted, NULL);
    return error ? error : pthread_cond_init(&work->settled, NULL);
}

/* Whether this thread may use more than one core. */
static inline int ahead_pays(void) {
#if defined(__linux__)
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) == 0)
        return CPU_COUNT(&cores) > 1;
#endif
    return sysconf(_SC_NPROCESSORS_ONLN) > 1;
}

/* Starts the helper. Without one (there is but one core, or no thread can be had) the taker makes each piece itself. */
static inline void ahead_help(ahead_t *work) {
    if (!work->running && ahead_pays())
        work->running = thread_start(&work->thread, ahead_body, work) == 0;
}

/* From here on there are pieces to claim. */
static inline void ahead_begin(ahead_t *work) {
    pthread_mutex_lock(&work->lock);
    work->open = 1;
    if (work->asleep)
        pthread_cond_signal(&work->wanted);
    pthread_mutex_unlock(&work->lock);
}

/* With the lock held: until the helper is at no piece. It is let go for the time. */
static void ahead_await(ahead_t *work) {
    pthread_mutex_unlock(&work->lock);
    for (int i = 0; i < AHEAD_SPINS && __atomic_load_n(&work->busy, __ATOMIC_ACQUIRE); i++)
        ahead_pause();
    pthread_mutex_lock(&work->lock);
    work->waiting = 1;
    while (work->busy)
        pthread_cond_wait(&work->settled, &work->lock);
    work->waiting = 0;
}

/* The next piece, ready; -1 when there is none left. */
static inline int ahead_take(ahead_t *work) {
    uint32_t piece;
    int found = -1;
    pthread_mutex_lock(&work->lock);
    work->taken += work->held;
    work->held = 0;
    for (;;) {
        if (work->taken < work->claimed && work->ready[work->taken % AHEAD_PIECES]) {
            found = (int)(work->taken % AHEAD_PIECES);
            work->held = 1;
            break;
        }
        if (ahead_next(work, &piece)) {
            pthread_mutex_unlock(&work->lock);
            work->make(work->context, piece);
            pthread_mutex_lock(&work->lock);
            work->ready[piece] = 1;
        } else if (work->taken == work->claimed) {
            break;
        } else {
            ahead_await(work);
        }
    }
    /* Not for each piece that comes free, and not so late that the taker runs out of them. */
    if (work->asleep && work->open && work->claimed - work->taken <= AHEAD_PIECES / 8)
        pthread_cond_signal(&work->wanted);
    pthread_mutex_unlock(&work->lock);
    return found;
}

/* Drops what was claimed and not taken; afterwards nobody is at a piece. */
static inline void ahead_end(ahead_t *work) {
    pthread_mutex_lock(&work->lock);
    work->open = 0;
    if (work->busy)
        ahead_await(work);
    work->taken = work->claimed = 0;
    work->held = 0;
    pthread_mutex_unlock(&work->lock);
}

/* Not in a forked child, which has no helper to wait for. */
static inline void ahead_destroy(ahead_t *work) {
    if (work->running) {
        pthread_mutex_lock(&work->lock);
        work->stop = 1;
        pthread_cond_signal(&work->wanted);
        pthread_mutex_unlock(&work->lock);
        pthread_join(work->thread, NULL);
    }
    pthread_cond_destroy(&work->settled);
    pthread_cond_destroy(&work->wanted);
    pthread_mutex_destroy(&work->lock);
}

#endif
