#include "replay/calibration.h"

#include <math.h>

static const double LEAST_SHARE = 1e-15;

static unsigned bin_of(double confidence)
{
	double at = ceil(confidence * CALIBRATION_BINS) - 1;

	return at < 0 ? 0 : at < CALIBRATION_BINS ? (unsigned)at : CALIBRATION_BINS - 1;
}

double calibration_add(struct calibration *c, const float *shares, unsigned classes, uint64_t label)
{
	double truth = label < classes ? (double)shares[label] : 0, brier = label < classes ? 0 : 1;
	unsigned first = 0, bin;

	for (unsigned i = 0; i < classes; i++) {
		double off = (double)shares[i] - (i == label);

		brier += off * off;
		if (shares[i] > shares[first])
			first = i;
	}
	bin = bin_of((double)shares[first]);
	c->n++;
	c->log_loss -= log(fmin(1, fmax(LEAST_SHARE, truth)));
	c->brier += brier;
	c->bins[bin].n++;
	c->bins[bin].right += first == label;
	c->bins[bin].confidence += (double)shares[first];
	return brier;
}

double calibration_log_loss(const struct calibration *c)
{
	return c->n ? c->log_loss / (double)c->n : (double)NAN;
}

double calibration_brier(const struct calibration *c)
{
	return c->n ? c->brier / (double)c->n : (double)NAN;
}

double calibration_error(const struct calibration *c)
{
	double sum = 0;

	for (unsigned i = 0; i < CALIBRATION_BINS; i++)
		sum += fabs((double)c->bins[i].right - c->bins[i].confidence);
	return c->n ? sum / (double)c->n : (double)NAN;
}
