build-tsan/common/jsonx_dump.o: common/jsonx_dump.c common/jsonx.h \
 common/buf.h common/err.h
common/jsonx.h:
common/buf.h:
common/err.h:
