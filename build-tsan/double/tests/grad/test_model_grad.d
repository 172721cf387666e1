build-tsan/double/tests/grad/test_model_grad.o: \
 tests/grad/test_model_grad.c common/spec.h common/digest.h common/err.h \
 common/jsonx.h common/buf.h worker/model.h worker/params.h worker/ops.h \
 worker/pool.h
common/spec.h:
common/digest.h:
common/err.h:
common/jsonx.h:
common/buf.h:
worker/model.h:
worker/params.h:
worker/ops.h:
worker/pool.h:
