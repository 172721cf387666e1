/* simd: loops that the compiler vectorises once for every kind of CPU.
 *
 * A function marked SIMD is compiled for x86-64-v4 (AVX-512), AVX2 and the baseline, and the loader
 * picks what the CPU has. The bits are the same in all of them: no contraction (-ffp-contract=off),
 * no reassociation. A sum that the compiler may not reorder runs over SIMD_LANES explicit partial
 * sums. Other compilers and machines, and the sanitizers' builds, get the plain loop.
 */
#ifndef ABLATE_COMMON_SIMD_H
#define ABLATE_COMMON_SIMD_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define SIMD_CLONES
#define SIMD __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define SIMD
#endif

/* Partial sums of a vectorised reduction; element i goes to lane i mod SIMD_LANES. */
enum { SIMD_LANES = 16 };

/* What the loader picks here: "avx512", "avx2" or "baseline"; "plain" where there is one loop. An
 * attempt's environment names it. */
const char *simd_path(void);

#endif
