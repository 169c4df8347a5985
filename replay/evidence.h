/*
 * evidence.h - tests as e-values, and what becomes of many of them. Pure: no I/O, no allocation.
 *
 * An e-value is at most 1 on average when nothing is the matter, whenever one looks: 20 is evidence at 5 %.
 * They are kept as logarithms. Of independent ones the product (here a sum) is an e-value, of any the
 * average.
 */
#ifndef REPLAY_EVIDENCE_H
#define REPLAY_EVIDENCE_H

#include "replay/stat.h"

/* min(1, 1 / e) */
double evidence_p(double log_e);
/* Of e-values that may depend on each other: log of their mean; 0 of none. */
double evidence_average(const double *log_e, unsigned n);
/* e-BH (Wang and Ramdas, JRSS B 2022, arXiv 2009.02824): of n hypotheses how many are found, with a false
 * discovery rate of at most alpha under any dependence: those with log_e >= *least_out (infinite of none). */
unsigned evidence_bh(const double *log_e, unsigned n, double alpha, double *least_out);

/* Wald's test of two rates (Annals of Mathematical Statistics 1945): k of n, low < high in (0,1). Its errors
 * are at most about alpha (high although low is true) and beta (low although high is). */
enum evidence_choice { EVIDENCE_GO_ON, EVIDENCE_LOW, EVIDENCE_HIGH };
double evidence_sprt(uint64_t k, uint64_t n, double low, double high); /* the log likelihood ratio */
enum evidence_choice evidence_sprt_choice(double log_ratio, double alpha, double beta);

/* Log e-value against "one rate is not above the other", k of n each: the product of both streams' e-values
 * against one rate in common, least over that rate, as the product test of quantiles has it (Howard and
 * Ramdas 2022, section 4); 0 where the first is not above the second. */
double evidence_more_often(uint64_t k, uint64_t n, uint64_t other_k, uint64_t other_n, double t_opt);

/* McNemar's test watched: among pairs where one side alone is right, neither side is favoured. Log e-value of
 * the Bernoulli mixture at 1/2, tightest at t_opt such pairs. */
double evidence_mcnemar(uint64_t live_only, uint64_t candidate_only, double t_opt);
/* The exact two-sided p-value of one look at the end (McNemar 1947), never to be looked at twice. */
double evidence_mcnemar_once(uint64_t live_only, uint64_t candidate_only);
/* The candidate's accuracy less live's: both rates at alpha / 2, so that both hold at once. Counts, or what
 * they weigh (stat_rate_weighted()). */
struct interval evidence_mcnemar_change(double live_only, double candidate_only, double pairs, double alpha,
                                        double t_opt);

#endif
