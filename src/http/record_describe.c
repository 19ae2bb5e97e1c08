/* SPDX-License-Identifier: MIT */
/* The public functions that read a record without a request. */
#include "record.h"

size_t cachette_http_record_head_size(cachette_slice record) {
  cachette__http_stored stored;
  return cachette__http_record_get(record, &stored) ? stored.head_size : 0;
}

int cachette_http_record_describe(cachette_slice record, cachette_http_record_info *info) {
  cachette__http_stored stored;
  if (!cachette__http_record_get(record, &stored)) return CACHETTE_ECODEC;
  *info = (cachette_http_record_info){
      .status = stored.status,
      .requested_ms = stored.requested_ms,
      .received_ms = stored.received_ms,
      .lifetime_ms = stored.lifetime_ms,
      .body_size = stored.body_size,
      .epoch = stored.epoch,
      .body_checksum = stored.body_checksum,
      .tag_count = stored.tag_count,
      .is_index = (stored.flags & CACHETTE__HTTP_INDEX) != 0,
      .head_size = stored.head_size,
  };
  return CACHETTE_OK;
}

cachette_slice cachette_http_record_tag(cachette_slice record, size_t index) {
  cachette__http_stored stored;
  if (!cachette__http_record_get(record, &stored) || index >= stored.tag_count)
    return (cachette_slice){NULL, 0};
  return cachette__http_record_tag_at(&stored, index);
}

bool cachette_http_record_matches(cachette_slice record, const cachette_slice *parts,
                                  size_t count) {
  cachette__http_stored stored;
  if (!cachette__http_record_get(record, &stored)) return false;
  uint64_t left = (uint64_t)stored.body_size;
  for (size_t i = 0; i < count; i++) {
    if (parts[i].size > left) return false;
    left -= parts[i].size;
  }
  if (left > 0) return false;
  return (stored.flags & CACHETTE__HTTP_INDEX) != 0 ||
         cachette__http_body_checksum(parts, count) == stored.body_checksum;
}
