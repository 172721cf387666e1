build-asan/tests/unit/worker/test_moe.o: tests/unit/worker/test_moe.c \
 common/philox.h tests/unit/worker/models.h common/jsonx.h common/buf.h \
 common/err.h common/spec.h common/digest.h worker/model.h \
 worker/params.h worker/ops.h worker/pool.h worker/arena.h worker/moe.h \
 worker/pass.h worker/ops/gemm.h worker/optim.h
common/philox.h:
tests/unit/worker/models.h:
common/jsonx.h:
common/buf.h:
common/err.h:
common/spec.h:
common/digest.h:
worker/model.h:
worker/params.h:
worker/ops.h:
worker/pool.h:
worker/arena.h:
worker/moe.h:
worker/pass.h:
worker/ops/gemm.h:
worker/optim.h:
