build-asan/double/worker/ops/drop.o: worker/ops/drop.c worker/ops/drop.h \
 common/philox.h worker/ops.h worker/pool.h common/err.h worker/simd.h \
 common/simd.h
worker/ops/drop.h:
common/philox.h:
worker/ops.h:
worker/pool.h:
common/err.h:
worker/simd.h:
common/simd.h:
