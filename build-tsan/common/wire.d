build-tsan/common/wire.o: common/wire.c common/wire.h common/buf.h \
 common/err.h common/jsonx.h
common/wire.h:
common/buf.h:
common/err.h:
common/jsonx.h:
