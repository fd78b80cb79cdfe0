// OpenMP's threads, which the kernels run in.
#include <omp.h>

extern "C" {

int fkp_threads() { return omp_get_max_threads(); }

// Before a fork: OpenMP's other threads end, and start again when they are wanted.  A forked child has none of them and
// would wait for them forever.
void fkp_before_fork() { omp_pause_resource_all(omp_pause_soft); }

}
