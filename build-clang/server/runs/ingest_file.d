build-clang/server/runs/ingest_file.o: server/runs/ingest_file.c \
  common/wire.h common/buf.h common/err.h server/runs/ingest.h \
  server/work.h server/store/store.h server/store/store_metrics.h \
  server/store/store_runs.h common/cost.h common/spec.h common/digest.h \
  common/jsonx.h

common/wire.h:

common/buf.h:

common/err.h:

server/runs/ingest.h:

server/work.h:

server/store/store.h:

server/store/store_metrics.h:

server/store/store_runs.h:

common/cost.h:

common/spec.h:

common/digest.h:

common/jsonx.h:
