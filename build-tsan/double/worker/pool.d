build-tsan/double/worker/pool.o: worker/pool.c worker/pool.h common/err.h
worker/pool.h:
common/err.h:
