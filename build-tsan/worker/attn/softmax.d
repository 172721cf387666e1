build-tsan/worker/attn/softmax.o: worker/attn/softmax.c \
 worker/attn/softmax.h worker/ops.h worker/ops/vmath.h worker/simd.h \
 common/simd.h
worker/attn/softmax.h:
worker/ops.h:
worker/ops/vmath.h:
worker/simd.h:
common/simd.h:
