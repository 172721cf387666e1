/* What the processor can do, asked once the program runs: how it was built says nothing of that. */
#include "common/base/simd.h"

const char *simd_path(void)
{
#ifdef SIMD_CLONES
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return "avx512";
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "avx2" : "baseline";
#else
    return "plain";
#endif
}
