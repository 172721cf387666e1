build-tsan/worker/model.o: worker/model.c worker/model.h common/err.h \
 common/spec.h common/digest.h common/jsonx.h common/buf.h \
 worker/params.h worker/ops.h worker/pool.h worker/arena.h \
 worker/attn/attn.h worker/attn/indexer.h worker/pass.h worker/moe.h \
 worker/ops/act.h worker/ops/drop.h common/philox.h worker/ops/gemm.h \
 worker/ops/loss.h worker/ops/norm.h
worker/model.h:
common/err.h:
common/spec.h:
common/digest.h:
common/jsonx.h:
common/buf.h:
worker/params.h:
worker/ops.h:
worker/pool.h:
worker/arena.h:
worker/attn/attn.h:
worker/attn/indexer.h:
worker/pass.h:
worker/moe.h:
worker/ops/act.h:
worker/ops/drop.h:
common/philox.h:
worker/ops/gemm.h:
worker/ops/loss.h:
worker/ops/norm.h:
