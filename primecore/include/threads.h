/* Threads, waiting and fork, as the log needs them: a monotonic clock, condition variables that time out by it, and a
 * thread that takes no signals. */
#ifndef PRIME_THREADS_H
#define PRIME_THREADS_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <time.h>
#if defined(__linux__)
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

static inline int64_t monotonic_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static inline int condition_init(pthread_cond_t *condition) {
#if defined(__APPLE__)
    return pthread_cond_init(condition, NULL);
#else
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);
    if (error) return error;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    error = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return error;
#endif
}

/* Waits until signalled or until monotonic_us() reaches deadline_us (0: for ever). Returns 1 when the time is over. */
static inline int condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t deadline_us) {
    if (!deadline_us) {
        pthread_cond_wait(condition, lock);
        return 0;
    }
#if defined(__APPLE__)
    int64_t left_us = deadline_us - monotonic_us();
    if (left_us <= 0) return 1;
    struct timespec until = {left_us / 1000000, left_us % 1000000 * 1000};
    return pthread_cond_timedwait_relative_np(condition, lock, &until) == ETIMEDOUT;
#else
    struct timespec until = {deadline_us / 1000000, deadline_us % 1000000 * 1000};
    return pthread_cond_timedwait(condition, lock, &until) == ETIMEDOUT;
#endif
}

/* A gate that many wait at: who read `word` before waiting cannot miss its opening. On Linux a futex, so that those who
 * are woken do not queue for a mutex one behind the other; elsewhere a condition variable. */
typedef struct {
    uint32_t word;
    pthread_mutex_t lock;
    pthread_cond_t opened;
} gate_t;

static inline int gate_init(gate_t *gate) {
    gate->word = 0;
    int error = pthread_mutex_init(&gate->lock, NULL);
    return error ? error : condition_init(&gate->opened);
}

static inline void gate_destroy(gate_t *gate) {
    pthread_cond_destroy(&gate->opened);
    pthread_mutex_destroy(&gate->lock);
}

/* Waits while `word` is `seen`, at most until deadline_us (0: for ever); may return early. 1 when the time is over. */
static inline int gate_wait(gate_t *gate, uint32_t seen, int64_t deadline_us) {
#if defined(__linux__)
    struct timespec until = {deadline_us / 1000000, deadline_us % 1000000 * 1000};
    if (__atomic_load_n(&gate->word, __ATOMIC_ACQUIRE) != seen) return 0;
    long result = syscall(SYS_futex, &gate->word, FUTEX_WAIT_BITSET_PRIVATE, seen, deadline_us ? &until : NULL, NULL,
                          FUTEX_BITSET_MATCH_ANY);
    return result && errno == ETIMEDOUT;
#else
    int over = 0;
    pthread_mutex_lock(&gate->lock);
    while (!over && __atomic_load_n(&gate->word, __ATOMIC_ACQUIRE) == seen)
        over = condition_wait_until(&gate->opened, &gate->lock, deadline_us);
    pthread_mutex_unlock(&gate->lock);
    return over;
#endif
}

static inline void gate_wake(gate_t *gate, int count) {
#if defined(__linux__)
    syscall(SYS_futex, &gate->word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
#else
    (void)gate, (void)count;
#endif
}

/* Opens the gate for all who wait; `woken` of them are woken here, and each must wake one more by gate_wake. */
static inline void gate_open(gate_t *gate, int woken) {
#if defined(__linux__)
    __atomic_add_fetch(&gate->word, 1, __ATOMIC_ACQ_REL);
    gate_wake(gate, woken);
#else
    (void)woken;
    pthread_mutex_lock(&gate->lock);
    __atomic_add_fetch(&gate->word, 1, __ATOMIC_ACQ_REL);
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->lock);
#endif
}

/* Starts a thread with every signal blocked, so that Python's handlers run where Python expects them. */
static inline int thread_start(pthread_t *thread, void *(*body)(void *), void *argument) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(thread, NULL, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

/* Rises in a child at every fork: who remembers an older number was opened by a parent. */
static int fork_generation_now = 0;
static void fork_generation_rise(void) { fork_generation_now++; }
static inline int fork_watch(void) { return pthread_atfork(NULL, NULL, fork_generation_rise); }

#endif
