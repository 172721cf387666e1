/* capsule_layout: an experiment as one file that can be checked without the daemon. `ablated`
 * writes it (server/capsule/capsule.h), `ablate-worker verify` checks it (worker/capsule/).
 *
 * A ustar archive (tar.h) with everything below one folder, NAME-ID:
 *   README.txt             what this is and how to check it
 *   experiment.json        as the API shows it: hypothesis, specification, comparison, state
 *   audits.json            every finding with its evidence
 *   report.json .md .csv   the verdict
 *   runs/ID/spec.json      the frozen specification, whose digest is the run's
 *   runs/ID/run.json       state, digest, final values, attempts with their environments, digests
 *                          of checkpoints, artifacts, initial weights and of the tokens consumed
 *   runs/ID/metrics.csv    metric,step,value: every value, in the shortest form that reads back to
 *                          the same double; nan, inf, -inf as words; by metric, then step
 *   datasets.json          the corpora by digest; their text is not in here
 *   SHA256SUMS             a line a file above, as sha256sum -c takes it
 *   manifest.json          format, experiment, and each file above SHA256SUMS with bytes and digest
 *
 * The capsule's own digest is that of SHA256SUMS, so it names every byte that matters: a reader who
 * knows the digest from elsewhere (a paper, the reply's header) knows that nothing was changed. The
 * manifest stands last, so that an archive that was cut off has none. Equal state gives equal
 * bytes.
 */
#ifndef ABLATE_COMMON_CAPSULE_LAYOUT_H
#define ABLATE_COMMON_CAPSULE_LAYOUT_H

#define CAPSULE_SUMS     "SHA256SUMS"
#define CAPSULE_MANIFEST "manifest.json"
#define CAPSULE_LINE     "%s  %s\n"          /* of SHA256SUMS: digest, path below the folder */
#define CAPSULE_COLUMNS  "metric,step,value" /* the first line of metrics.csv */

enum {
    CAPSULE_FORMAT = 1,
    CAPSULE_FILES_MAX = 50000, /* 10,000 runs have 30,000 and a few */
    CAPSULE_FOLDER_BYTES = 96
};

#endif
