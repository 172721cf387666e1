build-tsan/common/spec_fields.o: common/spec_fields.c \
 common/spec_fields.h common/spec.h common/digest.h common/err.h \
 common/jsonx.h common/buf.h
common/spec_fields.h:
common/spec.h:
common/digest.h:
common/err.h:
common/jsonx.h:
common/buf.h:
