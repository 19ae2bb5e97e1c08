/* SPDX-License-Identifier: MIT */
/*
 * The constants below were found by experiment with access traces (see the program in bench/):
 * loops, and look-ups from a database, a shop and a recommender. They are not sensitive: halving or
 * doubling most of them changes the mean hit ratio by some tenths of a point.
 */
#include "policy.h"

#include <string.h>

#define SMALL_SHARE 0.1f /* of the shard, as in S3-FIFO */
#define MIN_SMALL_SHARE 0.02f
#define MIN_ADMISSION (1.0f / 32)
#define ADMISSION_RATE 8.0f    /* how fast admission adapts */
#define LONG_GHOSTS_BELOW 0.9f /* with less admission old ghosts count, too */
#define REGRET_WINDOW 0.7f     /* of the entries: evictions until an entry's return is no regret */
#define SHORT_WINDOW 0.9f      /* of the entries: evictions until a ghost is old */
#define SECOND_CHANCE_PAYS 0.25f
#define FULL_SMALL_USE \
  0.02f /* share of used entries in the small queue that lets it have its full size */

enum {
  MIN_WINDOW = 2048,
  MIN_MEMORY = 100, /* an average covers at least so many events */
  MAX_MEMORY = 400, /* and at most so many */
  WAYS = 8,
  EXPLORE = 8 /* one in so many is evicted though it may stay, to measure whether it returns */
};

/* ---- Ghosts ---- */

/*
 * A ghost: | fingerprint:16 | kind:2 | time:14 |, in sets of eight; 0 is none. The time is the
 * eviction clock in units of a fraction of the window, so it wraps long after the ghost is too old.
 */
enum kind { NONE, UNUSED_SMALL, USED_ONCE, FROM_MAIN };

typedef struct ghost_set {
  uint32_t ghosts[WAYS];
} ghost_set;

#define TIME_MASK 0x3fffu

static ghost_set *set_of(const cachette__policy *policy, uint64_t hash) {
  ghost_set *sets = (ghost_set *)((unsigned char *)policy + policy->ghost_offset);
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

/* Removes the ghost of a hash. Returns its kind, or NONE if there is none within the window, and
 * sets `*age` to the evictions since it was added. */
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

ptrdiff_t cachette__policy_resize_ghosts(cachette__policy *policy, size_t entries) {
  size_t window = entries > MIN_WINDOW ? entries : MIN_WINDOW;
  size_t max_sets = policy->ghost_capacity / sizeof(ghost_set), sets = MIN_WINDOW / WAYS;
  while (sets * WAYS * 4 < window * 3 && sets * 2 <= max_sets) sets *= 2;
  if (sets > max_sets) sets = 0;
  policy->window = window < UINT32_MAX ? (uint32_t)window : UINT32_MAX;
  bool is_close = sets < policy->ghost_sets && sets * 4 > policy->ghost_sets;
  if (sets == policy->ghost_sets || is_close) return 0;
  ptrdiff_t change =
      ((ptrdiff_t)sets - (ptrdiff_t)policy->ghost_sets) * (ptrdiff_t)sizeof(ghost_set);
  memset((unsigned char *)policy + policy->ghost_offset, 0, sets * sizeof(ghost_set));
  policy->ghost_sets = (uint32_t)sets;
  return change;
}

void *cachette__policy_ghosts_end(cachette__policy *policy) {
  return (unsigned char *)policy + policy->ghost_offset + policy->ghost_sets * sizeof(ghost_set);
}

void cachette__policy_init(cachette__policy *policy, void *ghosts, size_t capacity) {
  policy->ghost_offset = (unsigned char *)ghosts - (unsigned char *)policy;
  policy->ghost_capacity = capacity;
  policy->window = MIN_WINDOW;
  policy->admission = 1;
  policy->profit = 0.3f;
  policy->small_use = SMALL_SHARE;
}

/* ---- Averages ---- */

/* The weight of one event in an average that covers about as many events as there are entries. */
static float event_weight(size_t entries) {
  size_t memory = entries < MIN_MEMORY ? MIN_MEMORY : entries;
  return 2.0f / (float)(memory < MAX_MEMORY ? memory : MAX_MEMORY);
}

static void update_average(float *average, float rate, bool event) {
  *average += rate * ((event ? 1.0f : 0.0f) - *average);
}

static void adapt(cachette__policy *policy, size_t entries) {
  float rate = ADMISSION_RATE * event_weight(entries);
  bool admit_less = policy->regret > policy->profit * 1.1f;
  policy->admission *= admit_less ? 1 - rate : 1 + rate;
  if (policy->admission < MIN_ADMISSION) policy->admission = MIN_ADMISSION;
  if (policy->admission > 1) policy->admission = 1;
}

/* ---- Decisions ---- */

/* The target size of the small queue, in words. */
static float small_target(const cachette__policy *policy, const cachette__policy_state *state) {
  float share = policy->small_use / FULL_SMALL_USE;
  if (share > policy->admission) share = policy->admission;
  share = MIN_SMALL_SHARE + (SMALL_SHARE - MIN_SMALL_SHARE) * share;
  return share * (float)(state->small + state->main);
}

uint32_t cachette__policy_choose_queue(const cachette__policy *policy,
                                       const cachette__policy_state *state) {
  if (state->small == 0) return CACHETTE__MAIN;
  return (float)state->small >= small_target(policy, state) ? CACHETTE__SMALL : CACHETTE__MAIN;
}

/* Whether an entry that returns while it has a ghost is admitted to the main queue. */
static bool admits_to_main(cachette__policy *policy, uint32_t age,
                           const cachette__policy_state *state) {
  float target = small_target(policy, state) + (float)state->slack;
  if ((float)state->small > target) return true; /* the main queue is below its target */
  bool young = (float)age <= SHORT_WINDOW * (float)state->entries;
  if (!young && policy->admission >= LONG_GHOSTS_BELOW) return false;
  policy->credit += policy->admission;
  if (policy->credit < 1) return false;
  policy->credit -= 1;
  return true;
}

cachette__placement cachette__policy_admit(cachette__policy *policy, uint64_t hash,
                                           const cachette__policy_state *state) {
  if (state->filling) {
    bool small = (float)state->small <= small_target(policy, state);
    return (cachette__placement){small ? CACHETTE__SMALL : CACHETTE__MAIN, 0};
  }
  uint32_t age = 0;
  enum kind kind = take_ghost(policy, hash, &age);
  float rate = event_weight(state->entries);
  if (kind == FROM_MAIN && (float)age <= REGRET_WINDOW * (float)state->entries)
    policy->regret += rate;
  if (kind == USED_ONCE && (float)age <= SHORT_WINDOW * (float)state->entries)
    policy->second_chance += 4 * rate;
  adapt(policy, state->entries);
  if (kind != NONE && admits_to_main(policy, age, state))
    return (cachette__placement){CACHETTE__MAIN, CACHETTE__USE_FROM_GHOST};
  return (cachette__placement){CACHETTE__SMALL, 0};
}

static cachette__verdict judge_small(cachette__policy *policy, unsigned count, uint64_t hash,
                                     float rate) {
  update_average(&policy->small_use, 2 * rate, count > 0);
  bool keep = count > 1;
  if (count == 1)
    keep = policy->second_chance > SECOND_CHANCE_PAYS && ++policy->samples % EXPLORE != 0;
  if (!keep) {
    if (count == 1) policy->second_chance -= 4 * rate * policy->second_chance;
    add_ghost(policy, hash, count == 1 ? USED_ONCE : UNUSED_SMALL);
  }
  return (cachette__verdict){keep, CACHETTE__USE_FROM_GHOST};
}

static cachette__verdict judge_main(cachette__policy *policy, unsigned use, uint64_t hash,
                                    float rate) {
  unsigned count = use & CACHETTE__USE_COUNT;
  if (use & CACHETTE__USE_FROM_GHOST) update_average(&policy->profit, rate, count > 0);
  if (count > 0) return (cachette__verdict){true, count - 1};
  policy->regret -= rate * policy->regret;
  add_ghost(policy, hash, FROM_MAIN);
  return (cachette__verdict){false, 0};
}

cachette__verdict cachette__policy_judge(cachette__policy *policy, uint32_t queue, unsigned use,
                                         uint64_t hash, size_t entries) {
  float rate = event_weight(entries);
  if (queue == CACHETTE__SMALL) return judge_small(policy, use & CACHETTE__USE_COUNT, hash, rate);
  return judge_main(policy, use, hash, rate);
}
