build-tsan/common/cost.o: common/cost.c common/cost.h common/spec.h \
 common/digest.h common/err.h common/jsonx.h common/buf.h \
 common/spec_fields.h
common/cost.h:
common/spec.h:
common/digest.h:
common/err.h:
common/jsonx.h:
common/buf.h:
common/spec_fields.h:
