build-tsan/tests/unit/worker/test_optim.o: tests/unit/worker/test_optim.c \
 tests/unit/worker/models.h common/jsonx.h common/buf.h common/err.h \
 common/spec.h common/digest.h worker/model.h worker/params.h \
 worker/ops.h worker/pool.h worker/optim.h
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
worker/optim.h:
