build-asan/worker/keeper.o: worker/keeper.c worker/keeper.h common/err.h \
 common/clock.h common/files.h common/launch.h
worker/keeper.h:
common/err.h:
common/clock.h:
common/files.h:
common/launch.h:
