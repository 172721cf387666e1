build-clang/double/worker/router.o: worker/router.c worker/router.h \
  worker/moe.h worker/arena.h common/err.h worker/ops.h worker/params.h \
  common/digest.h common/spec.h common/jsonx.h common/buf.h \
  worker/pass.h worker/pool.h common/philox.h worker/ops/gemm.h \
  worker/ops/vmath.h worker/simd.h common/simd.h

worker/router.h:

worker/moe.h:

worker/arena.h:

common/err.h:

worker/ops.h:

worker/params.h:

common/digest.h:

common/spec.h:

common/jsonx.h:

common/buf.h:

worker/pass.h:

worker/pool.h:

common/philox.h:

worker/ops/gemm.h:

worker/ops/vmath.h:

worker/simd.h:

common/simd.h:
