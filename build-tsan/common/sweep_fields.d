build-tsan/common/sweep_fields.o: common/sweep_fields.c \
 common/sweep_fields.h common/spec_fields.h common/spec.h common/digest.h \
 common/err.h common/jsonx.h common/buf.h common/sweep.h
common/sweep_fields.h:
common/spec_fields.h:
common/spec.h:
common/digest.h:
common/err.h:
common/jsonx.h:
common/buf.h:
common/sweep.h:
