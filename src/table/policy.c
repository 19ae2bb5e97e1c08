/* SPDX-License-Identifier: MIT */
/*
 * The numbers below were found by trying them on access traces (bench/ has the program): loops,
 * look-ups of a database, of a shop, of recommendations. They are not sharp; halving or doubling
 * most of them moves the mean hit ratio by some tenths of a point.
 */
#include "policy.h"

#include <string.h>

#define SMALL_SHARE 0.1f /* of the shard: the small queue as S3-FIFO has it */
#define LEAST_SMALL_SHARE 0.02f
#define LEAST_ADMISSION (1.0f / 32)
#define ADMISSION_RATE 8.0f    /* how fast admission follows, in steps of the averages */
#define LONG_GHOSTS_BELOW 0.9f /* admission below which old ghosts count too */
#define REGRET_WINDOW 0.7f     /* of the entries: how soon is soon */
#define SHORT_WINDOW 0.9f      /* the same for a ghost to count as young */
#define SECOND_PAYS 0.25f
#define PROMISE_FULL \
  0.02f /* share of used entries in the small queue that earns it its full size */

enum {
  LEAST_WINDOW = 2048,
  LEAST_MEMORY = 100, /* averages remember between so many events ... */
  MOST_MEMORY = 400,  /* ... and so many */
  WAYS = 8,
  EXPLORE = 8 /* one in so many is evicted though it could stay, to learn whether it comes back */
};

/* ---- Ghosts ---- */

/* A ghost: | fingerprint:16 | kind:2 | time:14 |, in sets of eight; 0 is none. The time is the
 * clock in units of a part of the window, so that it wraps long after the ghost has gone. */
enum kind { NONE, UNUSED_SMALL, USED_ONCE, FROM_MAIN };

typedef struct ghost_set {
  uint32_t ghosts[WAYS];
} ghost_set;

#define TIME_MASK 0x3fffu

static ghost_set *set_of(const cachette__policy *policy, uint64_t hash) {
  ghost_set *sets = (ghost_set *)((unsigned char *)policy + policy->ghost_distance);
  return &sets[(hash >> 16) & (policy->ghost_sets - 1)];
}

static uint32_t unit_of(const cachette__policy *policy) { return policy->window / 2048 + 1; }

static uint32_t time_of(const cachette__policy *policy) {
  return policy->clock / unit_of(policy) & TIME_MASK;
}

static uint32_t age_of(const cachette__policy *policy, uint32_t ghost) {
  return ((time_of(policy) - ghost) & TIME_MASK) * unit_of(policy);
}

static void add_ghost(cachette__policy *policy, uint64_t hash, enum kind kind) {
  policy->clock++;
  if (policy->ghost_sets == 0) return;
  ghost_set *set = set_of(policy, hash);
  uint32_t *oldest = &set->ghosts[0];
  for (int i = 0; i < WAYS; i++) {
    uint32_t *each = &set->ghosts[i];
    if (*each == 0 || (*oldest != 0 && age_of(policy, *each) > age_of(policy, *oldest)))
      oldest = each;
  }
  *oldest = (uint32_t)(hash >> 48) << 16 | (uint32_t)kind << 14 | time_of(policy);
}

/* Takes the ghost of a hash out: its kind, and how many evictions ago it was made. */
static enum kind take_ghost(cachette__policy *policy, uint64_t hash, uint32_t *age) {
  if (policy->ghost_sets == 0) return NONE;
  ghost_set *set = set_of(policy, hash);
  for (int i = 0; i < WAYS; i++) {
    uint32_t ghost = set->ghosts[i];
    if (ghost == 0 || ghost >> 16 != hash >> 48) continue;
    set->ghosts[i] = 0;
    *age = age_of(policy, ghost);
    return *age <= policy->window ? (enum kind)(ghost >> 14 & 3) : NONE;
  }
  return NONE;
}

ptrdiff_t cachette__policy_fit(cachette__policy *policy, size_t entries) {
  size_t window = entries > LEAST_WINDOW ? entries : LEAST_WINDOW;
  size_t most = policy->ghost_room / sizeof(ghost_set), sets = LEAST_WINDOW / WAYS;
  while (sets * WAYS * 4 < window * 3 && sets * 2 <= most) sets *= 2;
  if (sets > most) sets = 0;
  policy->window = window < UINT32_MAX ? (uint32_t)window : UINT32_MAX;
  bool near = sets < policy->ghost_sets && sets * 4 > policy->ghost_sets;
  if (sets == policy->ghost_sets || near) return 0;
  ptrdiff_t change =
      ((ptrdiff_t)sets - (ptrdiff_t)policy->ghost_sets) * (ptrdiff_t)sizeof(ghost_set);
  memset((unsigned char *)policy + policy->ghost_distance, 0, sets * sizeof(ghost_set));
  policy->ghost_sets = (uint32_t)sets;
  return change;
}

void *cachette__policy_ghosts_end(cachette__policy *policy) {
  return (unsigned char *)policy + policy->ghost_distance + policy->ghost_sets * sizeof(ghost_set);
}

void cachette__policy_init(cachette__policy *policy, void *ghosts, size_t room) {
  policy->ghost_distance = (unsigned char *)ghosts - (unsigned char *)policy;
  policy->ghost_room = room;
  policy->window = LEAST_WINDOW;
  policy->admission = 1;
  policy->profit = 0.3f;
  policy->promise = SMALL_SHARE;
}

/* ---- Averages ---- */

/* The weight of one event in an average that remembers about as many as there are entries. */
static float step(size_t entries) {
  size_t memory = entries < LEAST_MEMORY ? LEAST_MEMORY : entries;
  return 2.0f / (float)(memory < MOST_MEMORY ? memory : MOST_MEMORY);
}

static void learn(float *average, float rate, bool event) {
  *average += rate * ((event ? 1.0f : 0.0f) - *average);
}

static void adapt(cachette__policy *policy, size_t entries) {
  float rate = ADMISSION_RATE * step(entries);
  bool less = policy->regret > policy->profit * 1.1f;
  policy->admission *= less ? 1 - rate : 1 + rate;
  if (policy->admission < LEAST_ADMISSION) policy->admission = LEAST_ADMISSION;
  if (policy->admission > 1) policy->admission = 1;
}

/* ---- Decisions ---- */

/* How many words the small queue should have. */
static float small_target(const cachette__policy *policy, const cachette__standing *standing) {
  float share = policy->promise / PROMISE_FULL;
  if (share > policy->admission) share = policy->admission;
  share = LEAST_SMALL_SHARE + (SMALL_SHARE - LEAST_SMALL_SHARE) * share;
  return share * (float)(standing->small + standing->main);
}

uint32_t cachette__policy_choose(const cachette__policy *policy,
                                 const cachette__standing *standing) {
  if (standing->small == 0) return CACHETTE__MAIN;
  return (float)standing->small >= small_target(policy, standing) ? CACHETTE__SMALL
                                                                  : CACHETTE__MAIN;
}

/* Whether a ghost lets its entry into the main queue. */
static bool lets_in(cachette__policy *policy, uint32_t age, const cachette__standing *standing) {
  float target = small_target(policy, standing) + (float)standing->slack;
  if ((float)standing->small > target) return true; /* the main queue has room */
  bool young = (float)age <= SHORT_WINDOW * (float)standing->entries;
  if (!young && policy->admission >= LONG_GHOSTS_BELOW) return false;
  policy->credit += policy->admission;
  if (policy->credit < 1) return false;
  policy->credit -= 1;
  return true;
}

cachette__placing cachette__policy_admit(cachette__policy *policy, uint64_t hash,
                                         const cachette__standing *standing) {
  if (standing->filling) {
    bool small = (float)standing->small <= small_target(policy, standing);
    return (cachette__placing){small ? CACHETTE__SMALL : CACHETTE__MAIN, 0};
  }
  uint32_t age = 0;
  enum kind kind = take_ghost(policy, hash, &age);
  float rate = step(standing->entries);
  if (kind == FROM_MAIN && (float)age <= REGRET_WINDOW * (float)standing->entries)
    policy->regret += rate;
  if (kind == USED_ONCE && (float)age <= SHORT_WINDOW * (float)standing->entries)
    policy->second += 4 * rate;
  adapt(policy, standing->entries);
  if (kind != NONE && lets_in(policy, age, standing))
    return (cachette__placing){CACHETTE__MAIN, CACHETTE__USE_GUEST};
  return (cachette__placing){CACHETTE__SMALL, 0};
}

static cachette__verdict judge_small(cachette__policy *policy, unsigned count, uint64_t hash,
                                     float rate) {
  learn(&policy->promise, 2 * rate, count > 0);
  bool keep = count > 1;
  if (count == 1) keep = policy->second > SECOND_PAYS && ++policy->samples % EXPLORE != 0;
  if (!keep) {
    if (count == 1) policy->second -= 4 * rate * policy->second;
    add_ghost(policy, hash, count == 1 ? USED_ONCE : UNUSED_SMALL);
  }
  return (cachette__verdict){keep, CACHETTE__USE_GUEST};
}

static cachette__verdict judge_main(cachette__policy *policy, unsigned use, uint64_t hash,
                                    float rate) {
  unsigned count = use & CACHETTE__USE_COUNT;
  if (use & CACHETTE__USE_GUEST) learn(&policy->profit, rate, count > 0);
  if (count > 0) return (cachette__verdict){true, count - 1};
  policy->regret -= rate * policy->regret;
  add_ghost(policy, hash, FROM_MAIN);
  return (cachette__verdict){false, 0};
}

cachette__verdict cachette__policy_judge(cachette__policy *policy, uint32_t queue, unsigned use,
                                         uint64_t hash, size_t entries) {
  float rate = step(entries);
  if (queue == CACHETTE__SMALL) return judge_small(policy, use & CACHETTE__USE_COUNT, hash, rate);
  return judge_main(policy, use, hash, rate);
}
