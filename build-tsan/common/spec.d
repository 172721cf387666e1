build-tsan/common/spec.o: common/spec.c common/spec.h common/digest.h \
 common/err.h common/jsonx.h common/buf.h common/spec_fields.h
common/spec.h:
common/digest.h:
common/err.h:
common/jsonx.h:
common/buf.h:
common/spec_fields.h:
