build-asan/double/tests/grad/test_ops_grad.o: tests/grad/test_ops_grad.c \
 common/philox.h worker/arena.h common/err.h worker/attn/softmax.h \
 worker/ops.h worker/ops/act.h worker/pool.h worker/ops/gemm.h \
 worker/ops/layernorm.h worker/ops/loss.h worker/ops/norm.h \
 worker/ops/rope.h
common/philox.h:
worker/arena.h:
common/err.h:
worker/attn/softmax.h:
worker/ops.h:
worker/ops/act.h:
worker/pool.h:
worker/ops/gemm.h:
worker/ops/layernorm.h:
worker/ops/loss.h:
worker/ops/norm.h:
worker/ops/rope.h:
