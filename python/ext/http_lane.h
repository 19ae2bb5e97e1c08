/* SPDX-License-Identifier: MIT */
/* HttpLane: what hits have in common; HttpCounters and HttpEpochs: what it shares with Python. */
#ifndef CACHETTE_EXT_HTTP_LANE_H
#define CACHETTE_EXT_HTTP_LANE_H

#include "ext.h"

extern PyType_Spec http_lane_spec, http_counters_spec, http_epochs_spec;

#endif
