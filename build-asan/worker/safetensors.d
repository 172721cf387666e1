build-asan/worker/safetensors.o: worker/safetensors.c \
 worker/safetensors.h common/digest.h common/err.h worker/params.h \
 common/spec.h common/jsonx.h common/buf.h worker/ops.h common/files.h
worker/safetensors.h:
common/digest.h:
common/err.h:
worker/params.h:
common/spec.h:
common/jsonx.h:
common/buf.h:
worker/ops.h:
common/files.h:
