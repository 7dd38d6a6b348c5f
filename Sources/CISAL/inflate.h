// ISA-L's inflate of gzip members. `struct inflate_state` holds arrays too long for Swift to import, so it stays behind these calls.
#ifndef CISAL_INFLATE_H
#define CISAL_INFLATE_H

#include <isa-l/igzip_lib.h>
#include <stdlib.h>

/// A decoder of one gzip member at a time, header and trailer checked; NULL when there is no memory.
static inline struct inflate_state *gzip_decoder_make(void) {
    return (struct inflate_state *)malloc(sizeof(struct inflate_state));
}

static inline void gzip_decoder_free(struct inflate_state *state) { free(state); }

/// Gets ready for the next member, keeping the input that was given and not yet used.
static inline void gzip_decoder_begin_member(struct inflate_state *state) {
    isal_inflate_init(state);
    state->crc_flag = ISAL_GZIP;
}

/// Inflates from `input` to `output`. On return the counts say how much was left of each. Returns 0 or one of ISA-L's errors.
static inline int gzip_decoder_step(struct inflate_state *state, const uint8_t *input, uint32_t *input_count,
                                    uint8_t *output, uint32_t *output_count) {
    state->next_in = (uint8_t *)input;
    state->avail_in = *input_count;
    state->next_out = output;
    state->avail_out = *output_count;
    int result = isal_inflate(state);
    *input_count = state->avail_in;
    *output_count = state->avail_out;
    return result;
}

/// Whether the member's data and trailer have been read and checked.
static inline int gzip_decoder_is_finished(const struct inflate_state *state) {
    return state->block_state == ISAL_BLOCK_FINISH;
}

#endif
