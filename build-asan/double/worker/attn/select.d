build-asan/double/worker/attn/select.o: worker/attn/select.c \
 worker/attn/select.h worker/ops.h worker/pass.h common/spec.h \
 common/digest.h common/err.h common/jsonx.h common/buf.h worker/pool.h \
 common/philox.h worker/attn/attn.h worker/arena.h worker/attn/indexer.h \
 worker/params.h worker/attn/softmax.h worker/ops/gemm.h \
 worker/ops/topk.h
worker/attn/select.h:
worker/ops.h:
worker/pass.h:
common/spec.h:
common/digest.h:
common/err.h:
common/jsonx.h:
common/buf.h:
worker/pool.h:
common/philox.h:
worker/attn/attn.h:
worker/arena.h:
worker/attn/indexer.h:
worker/params.h:
worker/attn/softmax.h:
worker/ops/gemm.h:
worker/ops/topk.h:
