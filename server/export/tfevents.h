/* tfevents: what TensorBoard reads: records of protocol buffers, written by hand.
 *
 * A record is its length (8 bytes, little-endian), the masked CRC-32C of those bytes, the bytes of
 * one Event, and their masked CRC-32C. Masked: ((crc >> 15) | (crc << 17)) + 0xa282ead8. The first
 * Event of a file says "brain.Event:2". Messages and the numbers of their fields are those of
 * tensorboard/compat/proto/event.proto, summary.proto and tensorboard/plugins/hparams/
 * plugin_data.proto, api.proto.
 *
 * Rejected: a library. protobuf-c and its compiler for the four shapes of a message that are
 * written here would be more to build than they are to read.
 */
#ifndef ABLATE_SERVER_TFEVENTS_H
#define ABLATE_SERVER_TFEVENTS_H

#include "common/base/buf.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* All append. */
void tfevents_version(double wall_s, struct buf *to);
/* A scalar is a float there. */
void tfevents_scalar(double wall_s, int64_t step, const char *tag, float value, struct buf *to);
/* The bytes that the record of a scalar has. */
size_t tfevents_scalar_bytes(int64_t step, const char *tag);

/* The experiment of the HParams plugin, for the folder above the runs. hparams: an object of names,
 * whose values say by their type what the runs' values are. */
void tfevents_experiment(double wall_s, const char *name, const char *about, const json_t *hparams,
                         const char *metric, struct buf *to);
/* A run of it. hparams: by name; what is neither number nor boolean is text. */
void tfevents_session_start(double wall_s, const json_t *hparams, struct buf *to);
enum tfevents_status { TFEVENTS_UNKNOWN, TFEVENTS_SUCCESS, TFEVENTS_FAILURE, TFEVENTS_RUNNING };
void tfevents_session_end(double wall_s, enum tfevents_status status, struct buf *to);

/* CRC-32C (Castagnoli) of bytes. */
uint32_t tfevents_crc32c(const void *bytes, size_t len);

#endif
