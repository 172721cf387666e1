build-tsan/tests/unit/worker/test_params.o: \
 tests/unit/worker/test_params.c common/philox.h \
 tests/unit/worker/models.h common/jsonx.h common/buf.h common/err.h \
 common/spec.h common/digest.h worker/model.h worker/params.h \
 worker/ops.h worker/pool.h
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
