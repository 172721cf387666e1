build-asan/worker/ops/loss.o: worker/ops/loss.c worker/ops/loss.h \
 worker/arena.h common/err.h worker/ops.h worker/pool.h worker/ops/gemm.h \
 worker/ops/vmath.h worker/simd.h common/simd.h
worker/ops/loss.h:
worker/arena.h:
common/err.h:
worker/ops.h:
worker/pool.h:
worker/ops/gemm.h:
worker/ops/vmath.h:
worker/simd.h:
common/simd.h:
