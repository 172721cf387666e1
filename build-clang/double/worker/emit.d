build-clang/double/worker/emit.o: worker/emit.c worker/emit.h \
  common/err.h common/wire.h common/buf.h common/clock.h common/launch.h \
  common/log.h worker/link.h

worker/emit.h:

common/err.h:

common/wire.h:

common/buf.h:

common/clock.h:

common/launch.h:

common/log.h:

worker/link.h:
