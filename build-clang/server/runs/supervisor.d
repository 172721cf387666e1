build-clang/server/runs/supervisor.o: server/runs/supervisor.c \
  server/runs/supervisor.h server/runs/queue.h server/store/store_runs.h \
  common/cost.h common/spec.h common/digest.h common/err.h \
  common/jsonx.h common/buf.h server/store/store.h server/work.h \
  common/clock.h common/log.h server/datadir.h server/runs/attempt.h \
  common/launch.h server/runs/ingest.h

server/runs/supervisor.h:

server/runs/queue.h:

server/store/store_runs.h:

common/cost.h:

common/spec.h:

common/digest.h:

common/err.h:

common/jsonx.h:

common/buf.h:

server/store/store.h:

server/work.h:

common/clock.h:

common/log.h:

server/datadir.h:

server/runs/attempt.h:

common/launch.h:

server/runs/ingest.h:
