build-asan/worker/simd.o: worker/simd.c worker/simd.h
worker/simd.h:
