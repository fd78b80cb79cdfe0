// What libgomp orders by futexes, which ThreadSanitizer does not see, told to it: what was written before a parallel
// region is there in it, what was written in it is there behind it, a barrier orders both sides, and ordered parts come one
// after the other.  For sanitize.sh.
#define _GNU_SOURCE
#include <dlfcn.h>

void __tsan_acquire(void* address);
void __tsan_release(void* address);

static char begin, end, barrier, ordered;

typedef void Body(void*);
struct Work {
    Body* body;
    void* data;
};

static void run(void* given) {
    const struct Work* work = given;
    __tsan_acquire(&begin);
    work->body(work->data);
    __tsan_release(&end);
}

void GOMP_parallel(Body* body, void* data, unsigned threads, unsigned flags) {
    void (*libgomps)(Body*, void*, unsigned, unsigned) = dlsym(RTLD_NEXT, "GOMP_parallel");
    struct Work work = {body, data};
    __tsan_release(&begin);
    libgomps(run, &work, threads, flags);
    __tsan_acquire(&end);
}

void GOMP_barrier(void) {
    void (*libgomps)(void) = dlsym(RTLD_NEXT, "GOMP_barrier");
    __tsan_release(&barrier);
    libgomps();
    __tsan_acquire(&barrier);
}

void GOMP_ordered_start(void) {
    void (*libgomps)(void) = dlsym(RTLD_NEXT, "GOMP_ordered_start");
    libgomps();
    __tsan_acquire(&ordered);
}

void GOMP_ordered_end(void) {
    void (*libgomps)(void) = dlsym(RTLD_NEXT, "GOMP_ordered_end");
    __tsan_release(&ordered);
    libgomps();
}
