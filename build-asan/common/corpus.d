build-asan/common/corpus.o: common/corpus.c common/corpus.h common/spec.h \
 common/digest.h common/err.h common/jsonx.h common/buf.h common/philox.h
common/corpus.h:
common/spec.h:
common/digest.h:
common/err.h:
common/jsonx.h:
common/buf.h:
common/philox.h:
