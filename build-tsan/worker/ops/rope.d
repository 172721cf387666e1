build-tsan/worker/ops/rope.o: worker/ops/rope.c worker/ops/rope.h \
 worker/ops.h
worker/ops/rope.h:
worker/ops.h:
