build-asan/worker/artifacts.o: worker/artifacts.c worker/artifacts.h \
 common/spec.h common/digest.h common/err.h common/jsonx.h common/buf.h \
 worker/params.h worker/ops.h worker/safetensors.h
worker/artifacts.h:
common/spec.h:
common/digest.h:
common/err.h:
common/jsonx.h:
common/buf.h:
worker/params.h:
worker/ops.h:
worker/safetensors.h:
