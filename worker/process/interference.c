/* Samples of /proc/stat and getrusage, and the difference between two of them. */
#include "worker/process/interference.h"

#include "common/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The columns of a line "cpu". What guests use is counted in user and nice already. */
enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, COLUMNS };

bool interference_parse(const char *stat, double ticks_per_s, struct machine_times *ret)
{
    unsigned long long t[COLUMNS];
    if (strncmp(stat, "cpu ", 4) != 0 ||
        sscanf(stat + 4, "%llu %llu %llu %llu %llu %llu %llu %llu", &t[USER], &t[NICE], &t[SYSTEM],
               &t[IDLE], &t[IOWAIT], &t[IRQ], &t[SOFTIRQ], &t[STEAL]) != COLUMNS)
        return false;
    double busy = (double)(t[USER] + t[NICE] + t[SYSTEM] + t[IRQ] + t[SOFTIRQ]);
    double steal = (double)t[STEAL], idle = (double)(t[IDLE] + t[IOWAIT]);
    *ret = (struct machine_times){ .busy = busy / ticks_per_s,
                                   .steal = steal / ticks_per_s,
                                   .total = (busy + steal + idle) / ticks_per_s };
    return true;
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec * 1e-6;
}

void interference_sample(struct interference_sample *ret)
{
    char line[512];
    struct rusage usage = { 0 };
    FILE *file = fopen("/proc/stat", "re");
    *ret = (struct interference_sample){ .at = clock_mono_s() };
    ret->known = file != NULL && fgets(line, sizeof line, file) != NULL &&
                 interference_parse(line, (double)sysconf(_SC_CLK_TCK), &ret->machine);
    if (file != NULL)
        fclose(file);
    getrusage(RUSAGE_SELF, &usage);
    ret->own = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
}

json_t *interference_between(const struct interference_sample *from,
                             const struct interference_sample *to)
{
    double total = to->machine.total - from->machine.total, seconds = to->at - from->at;
    if (!from->known || !to->known || total <= 0 || seconds <= 0)
        return json_pack("{s:n, s:n}", "steal_share", "other_cores");
    /* Ticks are coarse and steal may be set back when a machine moves to another host. */
    double steal = to->machine.steal - from->machine.steal;
    double other = to->machine.busy - from->machine.busy - (to->own - from->own);
    return json_pack("{s:f, s:f}", "steal_share", steal > 0 ? steal / total : 0.0, "other_cores",
                     other > 0 ? other / seconds : 0.0);
}
