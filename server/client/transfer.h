/* transfer: what every HTTP transfer of this program keeps to, a request of a command (http.h) as
 * well as a webhook (deliver.h).
 *
 * It goes by http or https alone. No redirect is followed: the answer would come from somebody whom
 * nobody has named, and a token would go there. No signal is used for time that runs out.
 */
#ifndef ABLATE_CLIENT_TRANSFER_H
#define ABLATE_CLIENT_TRANSFER_H

#include <stdbool.h>

struct curl_slist;

/* Sets the rules on a handle of libcurl. direct: by no proxy, whatever the environment says. */
void transfer_rules(void *easy, bool direct);
/* The list with a line more, name and value as they are (NULL: none). When memory runs out: the
 * list as it was. */
struct curl_slist *transfer_line(struct curl_slist *list, const char *name, const char *value);

#endif
