build-clang/tests/unit/common/test_philox.o: \
  tests/unit/common/test_philox.c common/philox.h

common/philox.h:
