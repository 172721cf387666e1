build-clang/tests/unit/worker/test_ops.o: tests/unit/worker/test_ops.c \
  common/philox.h worker/arena.h common/err.h worker/ops/act.h \
  worker/ops.h worker/pool.h worker/ops/drop.h worker/ops/gemm.h \
  worker/ops/layernorm.h worker/ops/loss.h worker/ops/norm.h \
  worker/ops/rope.h worker/ops/vmath.h worker/simd.h common/simd.h

common/philox.h:

worker/arena.h:

common/err.h:

worker/ops/act.h:

worker/ops.h:

worker/pool.h:

worker/ops/drop.h:

worker/ops/gemm.h:

worker/ops/layernorm.h:

worker/ops/loss.h:

worker/ops/norm.h:

worker/ops/rope.h:

worker/ops/vmath.h:

worker/simd.h:

common/simd.h:
