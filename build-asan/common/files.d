build-asan/common/files.o: common/files.c common/files.h common/err.h
common/files.h:
common/err.h:
