build-tsan/worker/ops/gemm.o: worker/ops/gemm.c worker/ops/gemm.h \
 worker/ops.h worker/pool.h common/err.h \
 /usr/include/x86_64-linux-gnu/openblas-pthread/cblas.h \
 /usr/include/x86_64-linux-gnu/openblas-pthread/openblas_config.h
worker/ops/gemm.h:
worker/ops.h:
worker/pool.h:
common/err.h:
/usr/include/x86_64-linux-gnu/openblas-pthread/cblas.h:
/usr/include/x86_64-linux-gnu/openblas-pthread/openblas_config.h:
