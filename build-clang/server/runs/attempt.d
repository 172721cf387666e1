build-clang/server/runs/attempt.o: server/runs/attempt.c \
  server/runs/attempt.h common/launch.h common/err.h server/datadir.h \
  common/digest.h server/store/store_runs.h common/cost.h common/spec.h \
  common/jsonx.h common/buf.h server/store/store.h common/files.h \
  server/runs/ingest.h server/work.h

server/runs/attempt.h:

common/launch.h:

common/err.h:

server/datadir.h:

common/digest.h:

server/store/store_runs.h:

common/cost.h:

common/spec.h:

common/jsonx.h:

common/buf.h:

server/store/store.h:

common/files.h:

server/runs/ingest.h:

server/work.h:
