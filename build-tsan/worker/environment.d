build-tsan/worker/environment.o: worker/environment.c \
 worker/environment.h common/digest.h common/err.h common/version.h \
 worker/ops/gemm.h worker/ops.h worker/pool.h worker/simd.h common/simd.h
worker/environment.h:
common/digest.h:
common/err.h:
common/version.h:
worker/ops/gemm.h:
worker/ops.h:
worker/pool.h:
worker/simd.h:
common/simd.h:
