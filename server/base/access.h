/* access: what a caller may do. Tokens, sessions, endpoints and options all speak of it. */
#ifndef ABLATE_SERVER_ACCESS_H
#define ABLATE_SERVER_ACCESS_H

/* Each kind includes those before it. */
enum access {
    ACCESS_PUBLIC, /* what anybody may who reaches the port (Host is checked all the same) */
    ACCESS_READ,   /* everything that changes nothing */
    ACCESS_SUBMIT, /* experiments, corpora; cancel, retry, verify, priorities */
    ACCESS_ADMIN,  /* delete; the queue */
    ACCESS_KINDS
};
extern const char *const access_names[ACCESS_KINDS]; /* "public", "read", "submit", "admin" */

/* The kind of that name, except "public"; ACCESS_PUBLIC when there is none. */
enum access access_of(const char *name);

#endif
