// libzstd, linked statically.
#include <zstd.h>
#include <zstd_errors.h>
