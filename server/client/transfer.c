/* The options of libcurl that decide to whom a transfer may go, and by whom it says it is made. */
#include "server/client/transfer.h"

#include "common/base/version.h"
#include "server/client/where.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

void transfer_rules(void *easy, bool direct)
{
    char agent[80];
    snprintf(agent, sizeof agent, "ablate/%s", ablate_version());
    curl_easy_setopt(easy, CURLOPT_USERAGENT, agent);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    if (direct) {
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    }
}

struct curl_slist *transfer_line(struct curl_slist *list, const char *name, const char *value)
{
    char line[WHERE_TOKEN + 256];
    snprintf(line, sizeof line, "%s%s", name, value != NULL ? value : "");
    struct curl_slist *longer = curl_slist_append(list, line);
    explicit_bzero(line, sizeof line); /* it may hold a token */
    return longer != NULL ? longer : list;
}
