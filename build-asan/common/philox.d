build-asan/common/philox.o: common/philox.c common/philox.h \
 common/digest.h common/err.h common/simd.h
common/philox.h:
common/digest.h:
common/err.h:
common/simd.h:
