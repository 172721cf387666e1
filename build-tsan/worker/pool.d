build-tsan/worker/pool.o: worker/pool.c worker/pool.h common/err.h
worker/pool.h:
common/err.h:
