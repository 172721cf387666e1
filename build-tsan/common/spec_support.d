build-tsan/common/spec_support.o: common/spec_support.c common/spec.h \
 common/digest.h common/err.h common/jsonx.h common/buf.h
common/spec.h:
common/digest.h:
common/err.h:
common/jsonx.h:
common/buf.h:
