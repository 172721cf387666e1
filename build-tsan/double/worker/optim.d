build-tsan/double/worker/optim.o: worker/optim.c worker/optim.h \
 common/spec.h common/digest.h common/err.h common/jsonx.h common/buf.h \
 worker/params.h worker/ops.h worker/pool.h worker/ops/vmath.h \
 worker/simd.h common/simd.h
worker/optim.h:
common/spec.h:
common/digest.h:
common/err.h:
common/jsonx.h:
common/buf.h:
worker/params.h:
worker/ops.h:
worker/pool.h:
worker/ops/vmath.h:
worker/simd.h:
common/simd.h:
