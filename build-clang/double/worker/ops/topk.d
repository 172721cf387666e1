build-clang/double/worker/ops/topk.o: worker/ops/topk.c worker/ops/topk.h \
  worker/ops.h worker/simd.h common/simd.h

worker/ops/topk.h:

worker/ops.h:

worker/simd.h:

common/simd.h:
