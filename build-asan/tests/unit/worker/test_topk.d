build-asan/tests/unit/worker/test_topk.o: tests/unit/worker/test_topk.c \
 common/philox.h worker/ops/topk.h worker/ops.h
common/philox.h:
worker/ops/topk.h:
worker/ops.h:
