build-asan/worker/simd.o: worker/simd.c worker/simd.h common/simd.h
worker/simd.h:
common/simd.h:
