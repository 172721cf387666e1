build-tsan/common/jsonx.o: common/jsonx.c common/jsonx.h common/buf.h \
 common/err.h
common/jsonx.h:
common/buf.h:
common/err.h:
