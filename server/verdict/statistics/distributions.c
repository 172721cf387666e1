/* Series and continued fractions of the incomplete beta and gamma functions (Abramowitz & Stegun
 * 26.5.8, 6.5.29, 6.5.31), inverted by bisection: some hundred steps, and no starting value to get
 * wrong. */
#include "server/verdict/statistics/distributions.h"

#include <float.h>
#include <math.h>

enum { TERMS = 100000, HALVINGS = 200, MANY = 100000 };

static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}

/* The continued fraction of the incomplete beta function, by Lentz's method; converges fast for
 * x < (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
    double f = d;
    for (int m = 1; m < TERMS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        for (int i = 0; i < 2; i++) {
            double term = i == 0 ? even : odd;
            d = 1 + term * d;
            c = 1 + term / c;
            d = 1 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
            c = fabs(c) < DBL_MIN ? DBL_MIN : c;
            f *= c * d;
        }
        if (fabs(c * d - 1) < DBL_EPSILON)
            break;
    }
    return f;
}

/* I_x(a, b); y = 1 − x, given apart since it may be tiny. */
static double beta_share(double a, double b, double x, double y)
{
    if (x <= 0)
        return 0;
    if (y <= 0)
        return 1;
    double front = exp(a * log(x) + b * log(y) + log_gamma(a + b) - log_gamma(a) - log_gamma(b));
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, y) / b;
}

/* P(T > t) for t ≥ 0. */
static double student_above(double t, double df)
{
    double whole = df + t * t;
    return beta_share(df / 2, 0.5, df / whole, t * t / whole) / 2;
}

static double normal_above(double x)
{
    return erfc(x / sqrt(2)) / 2;
}

/* The z with P(Z > z) = p, 0 < p ≤ 1/2. */
static double normal_beyond(double p)
{
    double low = 0, high = 40;
    for (int i = 0; i < HALVINGS && high - low > DBL_EPSILON * high; i++) {
        double middle = (low + high) / 2;
        if (normal_above(middle) > p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* Abramowitz & Stegun 26.7.5: beyond MANY degrees of freedom the next term is below 1e-20. */
static double student_of_many(double z, double df)
{
    double z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
    return z + (z3 + z) / (4 * df) + (5 * z5 + 16 * z3 + 3 * z) / (96 * df * df) +
           (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * df * df * df);
}

double student_quantile(double p, double df)
{
    if (p < 0.5)
        return -student_quantile(1 - p, df);
    if (df > MANY)
        return student_of_many(normal_beyond(1 - p), df);
    double low = 0, high = 1;
    while (student_above(high, df) > 1 - p)
        high *= 2;
    for (int i = 0; i < HALVINGS && high - low > DBL_EPSILON * high; i++) {
        double middle = (low + high) / 2;
        if (student_above(middle, df) > 1 - p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* P(a, x), the regularised lower incomplete gamma function. */
static double gamma_share(double a, double x)
{
    if (x <= 0)
        return 0;
    double front = exp(a * log(x) - x - log_gamma(a));
    if (x < a + 1) {
        double term = 1 / a, sum = term;
        for (int n = 1; n < TERMS && term > DBL_EPSILON * sum; n++) {
            term *= x / (a + n);
            sum += term;
        }
        return front * sum;
    }
    double b = x + 1 - a, c = 1 / DBL_MIN, d = 1 / b, f = d;
    for (int n = 1; n < TERMS; n++) {
        double term = -n * (n - a);
        b += 2;
        d = 1 / (term * d + b);
        c = b + term / c;
        f *= c * d;
        if (fabs(c * d - 1) < DBL_EPSILON)
            break;
    }
    return 1 - front * f;
}

double chi2_quantile(double p, double df)
{
    double low = 0, high = df;
    while (gamma_share(df / 2, high / 2) < p)
        high *= 2;
    for (int i = 0; i < HALVINGS && high - low > DBL_EPSILON * high; i++) {
        double middle = (low + high) / 2;
        if (gamma_share(df / 2, middle / 2) < p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

/* Simpson's rule over s = √(χ²/df), whose density 2 (df/2)^(df/2) s^(df−1) e^(−df s²/2) / Γ(df/2)
 * lies around 1 with a spread of 1/√(2 df). */
double noncentral_t_beyond(double critical, double df, double shift)
{
    enum { STEPS = 4096 };
    const double spread = 1 / sqrt(2 * df), from = fmax(0, 1 - 12 * spread), to = 1 + 14 * spread,
                 step = (to - from) / STEPS,
                 front = log(2) + df / 2 * log(df / 2) - log_gamma(df / 2);
    double sum = 0;
    for (int i = 0; i <= STEPS; i++) {
        double s = from + i * step, weight = i == 0 || i == STEPS ? 1 : i % 2 == 1 ? 4 : 2;
        double density = s > 0 ? exp(front + (df - 1) * log(s) - df * s * s / 2) : 0;
        if (s <= 0 && df == 1)
            density = exp(front);
        sum += weight * density *
               (normal_above(critical * s - shift) + normal_above(critical * s + shift));
    }
    return sum * step / 3;
}
