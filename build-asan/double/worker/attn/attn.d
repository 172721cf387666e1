build-asan/double/worker/attn/attn.o: worker/attn/attn.c \
 worker/attn/attn.h worker/arena.h common/err.h worker/attn/indexer.h \
 worker/ops.h worker/params.h common/digest.h common/spec.h \
 common/jsonx.h common/buf.h worker/pass.h worker/pool.h \
 worker/attn/select.h worker/attn/softmax.h worker/ops/drop.h \
 common/philox.h worker/ops/gemm.h worker/ops/rope.h
worker/attn/attn.h:
worker/arena.h:
common/err.h:
worker/attn/indexer.h:
worker/ops.h:
worker/params.h:
common/digest.h:
common/spec.h:
common/jsonx.h:
common/buf.h:
worker/pass.h:
worker/pool.h:
worker/attn/select.h:
worker/attn/softmax.h:
worker/ops/drop.h:
common/philox.h:
worker/ops/gemm.h:
worker/ops/rope.h:
