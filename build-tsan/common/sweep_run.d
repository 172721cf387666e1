build-tsan/common/sweep_run.o: common/sweep_run.c common/sweep.h \
 common/spec.h common/digest.h common/err.h common/jsonx.h common/buf.h
common/sweep.h:
common/spec.h:
common/digest.h:
common/err.h:
common/jsonx.h:
common/buf.h:
