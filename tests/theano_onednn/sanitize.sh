#!/bin/sh
# The tests of our Ops with our C++ library built for a checker:  sh tests/theano_onednn/sanitize.sh asan|tsan [pytest's options]
#
# Only our sources are instrumented, so what a checker reports is ours.  Python leaks by design: no leak check.
# libgomp's barriers are unknown to ThreadSanitizer; tests/theano_onednn/tsan_openmp.c tells it of them.
set -eu
cd "$(dirname "$0")/../.."
case "$1" in
    asan) flags=address,undefined; preload="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libubsan.so)" ;;
    tsan) flags=thread
          beside=$(mktemp -d); trap 'rm -rf "$beside"' EXIT
          gcc -shared -fPIC tests/theano_onednn/tsan_openmp.c -o "$beside/openmp.so" -Wl,--no-as-needed -lgomp
          preload="$(g++ -print-file-name=libtsan.so) $beside/openmp.so" ;;
    *) echo "sanitize.sh takes asan or tsan, not $1" >&2; exit 2 ;;
esac
python=${PYTHON:-python3} way=${FKP_ONEDNN:-1}
shift
"$python" -c 'import theano_onednn'  # Theano compiles its own modules without a checker
FKP_CXXFLAGS="-fsanitize=$flags -fno-omit-frame-pointer -g" FKP_ONEDNN=$way "$python" -c 'import theano_onednn' 2>/dev/null || true  # build only
ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
    TSAN_OPTIONS="suppressions=$PWD/tests/theano_onednn/tsan.supp halt_on_error=0" \
    FKP_CXXFLAGS="-fsanitize=$flags -fno-omit-frame-pointer -g" FKP_ONEDNN=$way LD_PRELOAD="$preload" \
    "$python" -m pytest -q -p no:cacheprovider $(for each in beside stage ties dense convolution pool normalise normalised products random; do
        echo "tests/theano_onednn/test_$each.py"; done) "$@"
