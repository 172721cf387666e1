build-clang/double/worker/data.o: worker/data.c worker/data.h \
  common/corpus.h common/spec.h common/digest.h common/err.h \
  common/jsonx.h common/buf.h common/philox.h

worker/data.h:

common/corpus.h:

common/spec.h:

common/digest.h:

common/err.h:

common/jsonx.h:

common/buf.h:

common/philox.h:
