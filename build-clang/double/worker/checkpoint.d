build-clang/double/worker/checkpoint.o: worker/checkpoint.c \
  worker/checkpoint.h common/digest.h common/err.h worker/params.h \
  common/spec.h common/jsonx.h common/buf.h worker/ops.h \
  worker/safetensors.h

worker/checkpoint.h:

common/digest.h:

common/err.h:

worker/params.h:

common/spec.h:

common/jsonx.h:

common/buf.h:

worker/ops.h:

worker/safetensors.h:
