/* The other side of the daemon's loop: a thread that computes a tenth of a millisecond every two,
 * until SIGTERM, and measures its turns as the loop's are. On a busy or virtual machine a turn that
 * computes so little is charged for more, when others take the core away; what the loop's turns
 * show beyond that is the loop's own. Prints {"turns", "long", "longest_ms", "computed_ms"}. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum { EVERY_NS = 2000000, ROUNDS = 100000 /* about a tenth of a millisecond */ };
static const double LONG_S = 5e-3;

static volatile sig_atomic_t enough;

static void on_enough(int number)
{
    (void)number;
    enough = 1;
}

static double seconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(void)
{
    volatile uint32_t sum __attribute__((unused)) = 0;
    unsigned long turns = 0, long_turns = 0;
    double longest_s = 0, computed_s = 0;
    signal(SIGTERM, on_enough);
    puts("{}"); /* it is there */
    fflush(stdout);
    for (; enough == 0; turns++) {
        double began = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_THREAD_CPUTIME_ID);
        for (uint32_t i = 0; i < ROUNDS; i++)
            sum += i;
        double took_s = seconds(CLOCK_MONOTONIC) - began;
        double cpu_s = seconds(CLOCK_THREAD_CPUTIME_ID) - used;
        longest_s = took_s > longest_s ? took_s : longest_s;
        computed_s = cpu_s > computed_s ? cpu_s : computed_s;
        long_turns += cpu_s > LONG_S;
        nanosleep(&(struct timespec){ .tv_nsec = EVERY_NS }, NULL);
    }
    printf("{\"turns\":%lu,\"long\":%lu,\"longest_ms\":%.3f,\"computed_ms\":%.3f}\n", turns,
           long_turns, 1e3 * longest_s, 1e3 * computed_s);
    return 0;
}
