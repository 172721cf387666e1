build-tsan/common/spec_check.o: common/spec_check.c common/spec_fields.h \
 common/spec.h common/digest.h common/err.h common/jsonx.h common/buf.h
common/spec_fields.h:
common/spec.h:
common/digest.h:
common/err.h:
common/jsonx.h:
common/buf.h:
