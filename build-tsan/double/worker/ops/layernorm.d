build-tsan/double/worker/ops/layernorm.o: worker/ops/layernorm.c \
 worker/ops/layernorm.h worker/ops.h
worker/ops/layernorm.h:
worker/ops.h:
