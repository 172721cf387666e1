build-tsan/common/digest.o: common/digest.c common/digest.h common/err.h
common/digest.h:
common/err.h:
