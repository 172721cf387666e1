build-tsan/double/worker/params.o: worker/params.c worker/params.h \
 common/digest.h common/err.h common/spec.h common/jsonx.h common/buf.h \
 worker/ops.h common/philox.h
worker/params.h:
common/digest.h:
common/err.h:
common/spec.h:
common/jsonx.h:
common/buf.h:
worker/ops.h:
common/philox.h:
