build-tsan/double/worker/moe.o: worker/moe.c worker/moe.h worker/arena.h \
 common/err.h worker/ops.h worker/params.h common/digest.h common/spec.h \
 common/jsonx.h common/buf.h worker/pass.h worker/pool.h worker/ops/act.h \
 worker/ops/drop.h common/philox.h worker/ops/gemm.h worker/router.h
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
worker/ops/act.h:
worker/ops/drop.h:
common/philox.h:
worker/ops/gemm.h:
worker/router.h:
