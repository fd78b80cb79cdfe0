// Work cut into one part for each thread.
#pragma once
#include <omp.h>
#include "common.h"

namespace fkp {

// Calls work(from, to) for all of 0 to `count`: in parts where it is large, else at once, since even a parallel region
// of one thread takes as long as a thousand numbers.
template <class F> void in_parts(int64_t count, bool large, F work) {
    if (!large) return work(int64_t(0), count);
    const int64_t parts = omp_get_max_threads();
    FirstError error;
#pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < parts; ++part)
        error.guard([&] { work(count * part / parts, count * (part + 1) / parts); });
    error.rethrow();
}

}  // namespace fkp
