/* options: the daemon's settings, a row of one table each; from the command line (--name value) and
 * a configuration file (name = value, # comments); the command line wins. */
#ifndef ABLATE_SERVER_OPTIONS_H
#define ABLATE_SERVER_OPTIONS_H

#include "common/base/err.h"
#include "server/base/access.h"
#include "server/base/network.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { OPTIONS_PROXIES = 16, OPTIONS_HOSTS = 16, OPTIONS_URL = 512 };

/* What a stranger may take of us. */
struct limits {
    int64_t connections;                /* open at a time; 0: what the descriptors allow */
    int64_t connections_per_address;    /* loopback and trusted proxies are exempt */
    int64_t header_bytes;               /* request line and header */
    int64_t header_s, body_s, upload_s; /* from a request's first byte to the end of each */
};

struct options {
    char data[PATH_MAX];  /* data folder */
    char host[64];        /* address to listen on */
    int port;             /* 0 = a free one */
    int64_t slots;        /* runs at a time */
    int64_t memory_bytes; /* that their estimates may add up to */
    int64_t lease_ms;     /* without a word of a worker, before it is killed */
    bool stop_workers;    /* when the daemon ends */
    int log_level;        /* enum log_level */
    bool no_auth;
    char public_url[256];                    /* "" = none; without its path */
    char public_path[128];                   /* "" = none; "/ablate" */
    struct network proxies[OPTIONS_PROXIES]; /* whose X-Forwarded-For is believed */
    size_t proxies_n;
    struct limits limits;
    int64_t upload_limit;          /* bytes */
    int64_t ballast_bytes;         /* server/jobs/space.h; 0 = none */
    int64_t keep_deleted_ms;       /* before what was deleted is purged; INT64_MAX = for ever */
    int64_t keep_events_ms;        /* before events files that are stored give up their room */
    int64_t keep_checkpoints_ms;   /* of a run that has ended */
    char worker[PATH_MAX];         /* the ablate-worker program */
    char on_end[PATH_MAX];         /* is started with the id of what has ended; "" = nothing is */
    char webhook[OPTIONS_URL];     /* is told that an experiment has ended; "" = nobody is */
    char webhook_secret[PATH_MAX]; /* the file of what signs it; "" = the data folder's own */
    char webhook_hosts[OPTIONS_HOSTS][256]; /* beside loopback */
    size_t webhook_hosts_n;
    char operand[PATH_MAX]; /* of a command that takes one; "" = none was given */
    enum access access;     /* `link`: what its session may do */
    enum access rotate;     /* `token`: which one is made anew; ACCESS_PUBLIC: none */
    bool rotate_all;
};

enum options_command {
    OPTIONS_SERVE,
    OPTIONS_LINK,
    OPTIONS_TOKEN,
    OPTIONS_BACKUP,
    OPTIONS_RESTORE,
    OPTIONS_PURGE,
    OPTIONS_HELP,
    OPTIONS_VERSION
};

/* *ret isn't set for OPTIONS_HELP and OPTIONS_VERSION. Errors: USAGE, with the option's name and
 * what it takes, or the configuration file's name and line; NOT_FOUND, STORAGE, TOO_LARGE for that
 * file. */
int options_parse(int argc, char **argv, struct options *ret, enum options_command *ret_command,
                  struct err *err);
void options_help(FILE *to);
/* The base URL: public_url with its path, or where a browser on this machine reaches the port. */
void options_url(const struct options *options, int port, char *ret, size_t size);
/* 127.0.0.0/8 or ::1. */
bool options_is_loopback(const char *host);
/* The settings of a file, a line each. Errors: USAGE, or what reading says. */
int options_read_file(struct options *options, const char *path, struct err *err);

#endif
