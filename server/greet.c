/* JOURNAL_STREAM says that standard output was systemd's journal when the service began. It may
 * have been redirected since, to a reader who may have the link; so the descriptor is compared,
 * too. */
#include "server/greet.h"

#include "server/data/passes.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* systemd.exec(5): the variable names the journal's stream, and what has been redirected since is
 * another. */
static bool prints_to_journal(void)
{
    const char *journal = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat out;
    return journal != NULL && sscanf(journal, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDOUT_FILENO, &out) == 0 && out.st_dev == device && out.st_ino == inode;
}

static void say_log_in(const struct datadir *datadir, const char *base_url)
{
    char code[PASS_SECRET_HEX + 1];
    struct pass pass;
    if (!prints_to_journal() && passes_make(datadir->path, PASS_CODE, &datadir->tokens,
                                            ACCESS_ADMIN, code, &pass, NULL) == 0)
        printf("Log in once, within ten minutes: %s/#login=%s\n", base_url, code);
    else
        printf("Log in by the link that `ablated link --data %s` prints\n", datadir->path);
}

void greet(const struct options *options, const struct datadir *datadir, const char *base_url,
           int port)
{
    printf("Ablate is at %s", base_url);
    if (options->public_url[0] != '\0')
        printf(" (listening on %s port %d)", options->host, port);
    printf("\n");
    if (!options->no_auth)
        say_log_in(datadir, base_url);
    fflush(stdout);
}
