/* What equal bits depend on besides a specification, as this process finds it. */
#include "worker/process/environment.h"

#include "common/base/simd.h"
#include "common/base/version.h"
#include "worker/ops/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* By these, besides its core, OpenBLAS cuts a product into blocks, so its bits may depend on them.
 * Not every version and build reads them (Debian's 0.3.21 doesn't); an environment that sets one
 * counts as another all the same. The keeper passes them on. */
static const char *const settings[] = { "OPENBLAS_L2_SIZE", "OPENBLAS_BLOCK_FACTOR" };

/* As numbers, which is how OpenBLAS reads them; 0 is as good as none. */
static void read_settings(char *ret, size_t size)
{
    size_t len = 0;
    *ret = '\0';
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        const char *text = getenv(settings[i]);
        long value = text != NULL ? strtol(text, NULL, 10) : 0;
        if (value != 0 && len < size)
            len += (size_t)snprintf(ret + len, size - len, "%s%s=%ld", len > 0 ? " " : "",
                                    settings[i], value);
    }
}

int environment_get(struct environment *ret, struct err *err)
{
    struct environment e;
    int status = digest_file("/proc/self/exe", e.binary, err);
    if (status == 0)
        status = gemm_init(1, err); /* its core decides on the bits */
    if (status != 0)
        return status;
    char text[256];
    read_settings(e.blas_settings, sizeof e.blas_settings);
    int len = snprintf(text, sizeof text, "%s\n%s\n%s\n%s", e.binary, gemm_blas_core(), simd_path(),
                       e.blas_settings);
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
    const char *set = environment->blas_settings;
    return json_pack("{s:s, s:s, s:s, s:s*, s:s, s:i, s:I, s:s, s:s, s:s, s:s}", "version",
                     ablate_version(), "cpu", cpu, "blas_core", gemm_blas_core(), "blas_settings",
                     *set != '\0' ? set : NULL, "code_path", simd_path(), "threads", threads,
                     "cores", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "host", system.nodename,
                     "kernel", system.release, "binary_sha256", environment->binary, "digest",
                     environment->digest);
}
