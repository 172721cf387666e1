build-tsan/worker/attn/indexer.o: worker/attn/indexer.c \
 worker/attn/indexer.h worker/arena.h common/err.h worker/ops.h \
 worker/params.h common/digest.h common/spec.h common/jsonx.h \
 common/buf.h worker/pass.h worker/pool.h worker/ops/gemm.h \
 worker/ops/layernorm.h worker/ops/rope.h worker/ops/vmath.h \
 worker/simd.h common/simd.h
worker/attn/indexer.h:
worker/arena.h:
common/err.h:
worker/ops.h:
worker/params.h:
common/digest.h:
common/spec.h:
common/jsonx.h:
common/buf.h:
worker/pass.h:
worker/pool.h:
worker/ops/gemm.h:
worker/ops/layernorm.h:
worker/ops/rope.h:
worker/ops/vmath.h:
worker/simd.h:
common/simd.h:
