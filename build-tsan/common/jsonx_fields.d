build-tsan/common/jsonx_fields.o: common/jsonx_fields.c common/jsonx.h \
 common/buf.h common/err.h
common/jsonx.h:
common/buf.h:
common/err.h:
