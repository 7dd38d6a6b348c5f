// ISA-L's deflate of one gzip member at its best level, 3. `struct isal_zstream` holds arrays too long for Swift to import, so it stays behind these calls.
#ifndef CISAL_DEFLATE_H
#define CISAL_DEFLATE_H

#include <isa-l/igzip_lib.h>
#include <stdlib.h>

struct gzip_encoder {
    struct isal_zstream stream;
    uint8_t level_buffer[ISAL_DEF_LVL3_EXTRA_LARGE];
};

/// An encoder of one gzip member; NULL when there is no memory. ISA-L's header says nothing: no name, time 0, OS 255.
static inline struct gzip_encoder *gzip_encoder_make(void) {
    struct gzip_encoder *encoder = (struct gzip_encoder *)calloc(1, sizeof(struct gzip_encoder));
    if (!encoder) return NULL;
    isal_deflate_init(&encoder->stream);
    encoder->stream.level = 3;
    encoder->stream.level_buf = encoder->level_buffer;
    encoder->stream.level_buf_size = sizeof encoder->level_buffer;
    encoder->stream.gzip_flag = IGZIP_GZIP;
    encoder->stream.flush = NO_FLUSH;
    return encoder;
}

static inline void gzip_encoder_free(struct gzip_encoder *encoder) { free(encoder); }

/// Deflates from `input`, the last of it if so, to `output`. On return the counts say how much was left of each. Returns 0 or one of ISA-L's errors.
static inline int gzip_encoder_step(struct gzip_encoder *encoder, const uint8_t *input, uint32_t *input_count, int is_last,
                                    uint8_t *output, uint32_t *output_count) {
    struct isal_zstream *stream = &encoder->stream;
    stream->next_in = (uint8_t *)input;
    stream->avail_in = *input_count;
    stream->end_of_stream = is_last != 0;
    stream->next_out = output;
    stream->avail_out = *output_count;
    int result = isal_deflate(stream);
    *input_count = stream->avail_in;
    *output_count = stream->avail_out;
    return result;
}

/// Whether the member has been written with its trailer.
static inline int gzip_encoder_is_finished(const struct gzip_encoder *encoder) {
    return encoder->stream.internal_state.state == ZSTATE_END;
}

#endif
