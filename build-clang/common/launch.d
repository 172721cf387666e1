build-clang/common/launch.o: common/launch.c common/launch.h common/err.h \
  common/files.h common/jsonx.h common/buf.h

common/launch.h:

common/err.h:

common/files.h:

common/jsonx.h:

common/buf.h:
