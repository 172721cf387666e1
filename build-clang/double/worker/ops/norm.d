build-clang/double/worker/ops/norm.o: worker/ops/norm.c worker/ops/norm.h \
  worker/ops.h worker/pool.h common/err.h worker/ops/vmath.h \
  worker/simd.h common/simd.h

worker/ops/norm.h:

worker/ops.h:

worker/pool.h:

common/err.h:

worker/ops/vmath.h:

worker/simd.h:

common/simd.h:
