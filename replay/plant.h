/*
 * plant.h - faults that a comparison must find: a wrong answer made of a right one. Pure: no I/O.
 *
 * What is planted is beyond every tolerance and under no ignored path, so that not finding it is the
 * comparison's fault. Half of them lie in the body where it is a JSON document that is read as tensors,
 * predictions or JSON: the least number is raised above the greatest, so that a label flips and a value is
 * off; of JSON without numbers a text grows. The others, and those of all that is read otherwise, are another
 * status.
 */
#ifndef REPLAY_PLANT_H
#define REPLAY_PLANT_H

#include "replay/compare.h"

enum { PLANT_ONE_IN = 32 };

/* Is this pair one of the seeded share whose clone gets a fault? */
bool plant_chosen(uint64_t seed, uint64_t id);
/* Change *answer, of a candidate that agreed, read as enum protocol; `body` is empty, holds the changed one
 * and must outlive it. What `body` has no room for becomes another status. */
void plant(const struct plan_route *, uint32_t read_as, uint64_t seed, struct answer *, struct buf *body);

#endif
