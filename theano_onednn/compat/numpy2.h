// Before every source of Theano's with NumPy 2: what its C interface dropped since 1.x.
#define NPY_TARGET_VERSION NPY_2_0_API_VERSION  // PyArray_Descr shows its members
#include <Python.h>
#include <numpy/arrayobject.h>
#define NPY_PY3K 1
#define PyInt_Check PyLong_Check
#define PyInt_AsLong PyLong_AsLong
#define PyInt_AS_LONG PyLong_AS_LONG
#define PyInt_FromLong PyLong_FromLong
#undef NPY_MAXDIMS
#define NPY_MAXDIMS NPY_RAVEL_AXIS  // Theano means "over all axes"
#ifdef __cplusplus                  // std::complex has no members, Theano's classes are derived from structures
struct fkp_complex64 { npy_float32 real, imag; };
struct fkp_complex128 { npy_float64 real, imag; };
#define npy_complex64 fkp_complex64
#define npy_complex128 fkp_complex128
#endif
