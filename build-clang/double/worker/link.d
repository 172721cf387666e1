build-clang/double/worker/link.o: worker/link.c worker/link.h \
  common/buf.h common/err.h common/wire.h common/clock.h worker/emit.h

worker/link.h:

common/buf.h:

common/err.h:

common/wire.h:

common/clock.h:

worker/emit.h:
