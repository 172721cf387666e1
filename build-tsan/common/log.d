build-tsan/common/log.o: common/log.c common/log.h common/clock.h
common/log.h:
common/clock.h:
