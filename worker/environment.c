#include "worker/environment.h"

#include "common/version.h"
#include "worker/ops/gemm.h"
#include "worker/simd.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

int environment_get(struct environment *ret, struct err *err)
{
    struct environment e;
    int status = digest_file("/proc/self/exe", e.binary, err);
    if (status == 0)
        status = gemm_init(1, err); /* its core decides on the bits */
    if (status != 0)
        return status;
    char text[256];
    int len = snprintf(text, sizeof text, "%s\n%s\n%s\n", e.binary, gemm_blas_core(), simd_path());
    digest_of_hex(text, (size_t)len, e.digest);
    *ret = e;
    return 0;
}

static void cpu_model(char *ret, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    snprintf(ret, size, "unknown");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *colon = strchr(line, ':');
        if (colon == NULL || strncmp(line, "model name", 10) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(ret, size, "%s", colon + 2);
        break;
    }
    if (file != NULL)
        fclose(file);
}

json_t *environment_json(const struct environment *environment, int threads)
{
    char cpu[200];
    struct utsname system = { 0 };
    cpu_model(cpu, sizeof cpu);
    uname(&system);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:I, s:s, s:s, s:s, s:s}", "version", ablate_version(), "cpu",
        cpu, "blas_core", gemm_blas_core(), "code_path", simd_path(), "threads", threads, "cores",
        (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "host", system.nodename, "kernel",
        system.release, "binary_sha256", environment->binary, "digest", environment->digest);
}
