/* words: every sentence of the report. JSON, Markdown and the page show the same ones.
 *
 * Numbers use U+2212 for minus, and as many digits as their interval (or the value itself)
 * deserves.
 */
#ifndef ABLATE_SERVER_WORDS_H
#define ABLATE_SERVER_WORDS_H

#include "server/verdict/claims.h"

/* "dsa at L = 64, lr = 0.001"; without a grid the arm alone. */
void words_cell(const struct cell *cell, struct buf *to);
/* What separates arms in the compared metric, with so many digits: "0.034"; of a share "3.4
 * points". */
void words_amount(const struct study *study, double size, int digits, struct buf *to);
/* "14 to 60 seeds": the range of what is needed. */
void words_seeds(const struct stats_needed *needed, struct buf *to);
/* What became of a claim's pairs: "7 of 9 pairs, 1 lost by both, 1 lost by one". */
void words_pairs(const struct study *study, const struct statement *claim, struct buf *to);
/* What a claim says: a sentence, of an invalid one two; of one that is made a second where the same
 * ran elsewhere, too. */
void words_claim(const struct study *study, const struct claims *claims,
                 const struct statement *claim, struct buf *to);
/* {status, sentence}: the primary claims together. New reference. */
json_t *words_verdict(const struct study *study, const struct claims *claims);

#endif
