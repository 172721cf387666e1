/* distributions: the quantiles that planning seeds takes: Student's t, χ², and the noncentral t for
 * power. Relative errors stay below 1e-9 for 1 ≤ df ≤ 1e9 (tests/unit holds them against values of
 * an independent implementation).
 */
#ifndef ABLATE_SERVER_DISTRIBUTIONS_H
#define ABLATE_SERVER_DISTRIBUTIONS_H

/* The value below which Student's t with df degrees of freedom lies with probability p (0 < p < 1):
 * the regularised incomplete beta function, inverted. */
double student_quantile(double p, double df);
/* The same of χ²: the regularised incomplete gamma function, inverted. */
double chi2_quantile(double p, double df);
/* P(|t′| > critical) of t′ = (Z + shift) / √(χ²/df), the noncentral t: the integral of the normal's
 * two tails over the density of √(χ²/df). */
double noncentral_t_beyond(double critical, double df, double shift);

#endif
