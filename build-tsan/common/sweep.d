build-tsan/common/sweep.o: common/sweep.c common/sweep.h common/spec.h \
 common/digest.h common/err.h common/jsonx.h common/buf.h \
 common/sweep_fields.h common/spec_fields.h
common/sweep.h:
common/spec.h:
common/digest.h:
common/err.h:
common/jsonx.h:
common/buf.h:
common/sweep_fields.h:
common/spec_fields.h:
