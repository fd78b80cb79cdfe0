// Keeps signals away from oneDNN's float32 products.
#pragma once
#include <pthread.h>
#include <signal.h>

namespace fkp {

// In this block no signal reaches this thread, but those that it raises itself; Ctrl-C waits, some milliseconds.
//
// oneDNN's `gemm:jit` kernels (all products in float32, on AVX2 a convolution's weight gradient too) put the address of
// their working memory into the stack pointer, and a signal's handler then writes over the heap below it: issue 4845,
// mended in oneDNN 3.11.2, which PyPI has not.
class SignalsBlocked {
public:
    SignalsBlocked() {
        sigset_t others;
        sigfillset(&others);
        for (int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&others, own);
        pthread_sigmask(SIG_BLOCK, &others, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
private:
    sigset_t before_;
};

}  // namespace fkp
