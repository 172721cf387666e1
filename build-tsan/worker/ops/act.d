build-tsan/worker/ops/act.o: worker/ops/act.c worker/ops/act.h \
 worker/ops.h worker/pool.h common/err.h worker/ops/vmath.h worker/simd.h \
 common/simd.h
worker/ops/act.h:
worker/ops.h:
worker/pool.h:
common/err.h:
worker/ops/vmath.h:
worker/simd.h:
common/simd.h:
