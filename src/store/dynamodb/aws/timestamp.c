/* SPDX-License-Identifier: MIT */
#include "timestamp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Reads how many seconds a time zone is ahead of UTC. False: it is not a time zone. */
static bool read_zone(const char *text, int *seconds) {
  int hours, minutes, used = 0;
  *seconds = 0;
  if (*text == '\0' || strcmp(text, "Z") == 0 || strcmp(text, "UTC") == 0) return true;
  if (*text != '+' && *text != '-') return false;
  if (sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &used) < 2 &&
      sscanf(text + 1, "%2d%2d%n", &hours, &minutes, &used) < 2)
    return false;
  if (text[1 + used] != '\0' || hours < 0 || minutes < 0) return false;
  *seconds = (hours * 60 + minutes) * 60 * (*text == '-' ? -1 : 1);
  return true;
}

int64_t cachette__timestamp_read(const char *text) {
  struct tm parts = {0};
  int year, month, used = 0, zone;
  char between;
  if (sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &year, &month, &parts.tm_mday, &between,
             &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &used) != 7)
    return 0;
  if ((between != 'T' && between != ' ') || month < 1 || month > 12) return 0;
  text += used;
  if (*text == '.') text += 1 + strspn(text + 1, "0123456789"); /* ignore a fraction */
  if (!read_zone(text, &zone)) return 0;
  parts.tm_year = year - 1900;
  parts.tm_mon = month - 1;
  int64_t seconds = (int64_t)timegm(&parts) - zone;
  return seconds > 0 ? seconds * 1000 : 0;
}
