build-clang/server/runs/ingest.o: server/runs/ingest.c \
  server/runs/ingest.h server/work.h common/err.h server/store/store.h \
  common/launch.h common/log.h common/wire.h common/buf.h \
  server/datadir.h common/digest.h server/store/store_metrics.h \
  server/store/store_runs.h common/cost.h common/spec.h common/jsonx.h

server/runs/ingest.h:

server/work.h:

common/err.h:

server/store/store.h:

common/launch.h:

common/log.h:

common/wire.h:

common/buf.h:

server/datadir.h:

common/digest.h:

server/store/store_metrics.h:

server/store/store_runs.h:

common/cost.h:

common/spec.h:

common/jsonx.h:
