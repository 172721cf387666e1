build-tsan/double/worker/arena.o: worker/arena.c worker/arena.h \
 common/err.h
worker/arena.h:
common/err.h:
