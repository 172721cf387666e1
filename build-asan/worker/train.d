build-asan/worker/train.o: worker/train.c worker/train.h common/err.h \
 common/spec.h common/digest.h common/jsonx.h common/buf.h worker/emit.h \
 common/wire.h common/clock.h common/cost.h worker/artifacts.h \
 worker/params.h worker/ops.h worker/checkpoint.h worker/safetensors.h \
 worker/data.h common/corpus.h worker/environment.h worker/model.h \
 worker/pool.h worker/optim.h
worker/train.h:
common/err.h:
common/spec.h:
common/digest.h:
common/jsonx.h:
common/buf.h:
worker/emit.h:
common/wire.h:
common/clock.h:
common/cost.h:
worker/artifacts.h:
worker/params.h:
worker/ops.h:
worker/checkpoint.h:
worker/safetensors.h:
worker/data.h:
common/corpus.h:
worker/environment.h:
worker/model.h:
worker/pool.h:
worker/optim.h:
