/* Elementary functions of vectors of floats, and the activations made of them, for who has included vector.h's HONE_INLINE
 * and kernels/ops.h: for each width of vector again, whose types are VEC and IVEC and whose functions FN(exp) and so on. */
HONE_INLINE VEC FN(set)(float x) { return x - (VEC){0}; }

/* Lane by lane mask ? a : b, where a mask is what a comparison gives. */
HONE_INLINE VEC FN(select)(IVEC mask, VEC a, VEC b) { return (VEC)((mask & (IVEC)a) | (~mask & (IVEC)b)); }

HONE_INLINE VEC FN (and)(VEC a, IVEC mask) { return (VEC)((IVEC)a & mask); }
HONE_INLINE VEC FN(abs)(VEC x) { return (VEC)((IVEC)x & 0x7fffffff); }

/* Masks: negative lanes, lanes whose sign bit is set (those of NaNs too), those of NaN. */
HONE_INLINE IVEC FN(negative)(IVEC x) {
    return x >> 31; // cppcheck-suppress shiftTooManyBitsSigned
}
HONE_INLINE IVEC FN(signed)(VEC x) { return FN(negative)((IVEC)x); }
HONE_INLINE IVEC FN(nan)(VEC x) { return FN(negative)(0x7f800000 - ((IVEC)x & 0x7fffffff)); }

/* exp(x) within 1.5 ulp; 0 below -87 (so no denormal comes out), infinity from 88.73 on; NaN stays. Argument reduction
 * to |r| <= ln(2)/2 in two parts of ln 2 (Cody and Waite 1980), minimax polynomial of degree 6. */
HONE_INLINE VEC FN(exp)(VEC x) {
    IVEC nan = FN(nan)(x);
    x = FN(select)(FN(signed)(89.0f - x), FN(set)(89.0f), x);
    x = FN(select)(FN(signed)(x + 87.2f), FN(set)(-87.2f), x);
    const float shift = 0x1.8p23f; /* adding it rounds to an integer and leaves that in the low bits */
    VEC t = x * 1.44269504f + shift, n = t - shift;
    VEC r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    VEC q = FN(set)(0.00138144648f);
    q = q * r + 0.00836878062f;
    q = q * r + 0.0416683943f;
    q = q * r + 0.166665201f;
    q = q * r + 0.499999934f;
    VEC p = q * (r * r) + r + 1.0f;
    /* 2^(n-1) and 2, because 2^128 is no float; n = -126 makes the scale 0. */
    IVEC scale = ((IVEC)t - (IVEC)FN(set)(shift) + 126) << 23;
    return (VEC)((IVEC)(p * (VEC)scale * 2.0f) | nan);
}

/* log(x) of normal positive x within 1 ulp; NaN and infinity give NaN. x = 2^e m with m in [sqrt(1/2), sqrt(2)),
 * log m = 2 atanh((m-1) / (m+1)) by its series. */
HONE_INLINE VEC FN(log)(VEC x) {
    IVEC bits = (IVEC)x - 0x3f3504f3;
    IVEC exponent = bits >> 23;
    VEC m = (VEC)((IVEC)x - (exponent << 23)), e = __builtin_convertvector(exponent, VEC);
    VEC f = m - 1.0f, s = f / (f + 2.0f), z = s * s;
    VEC q = FN(set)(2.0f / 9);
    q = q * z + 2.0f / 7;
    q = q * z + 2.0f / 5;
    q = q * z + 2.0f / 3;
    /* 2s = f - s f, which keeps f exact. */
    VEC low = s * (q * z - f) + e * -2.12194440e-4f;
    return (low + f) + e * 0.693359375f + (x - x);
}

/* tanh(x) within 2 ulp: an odd polynomial near 0, else 1 - 2 / (exp(2|x|) + 1). */
HONE_INLINE VEC FN(tanh)(VEC x) {
    VEC a = FN(abs)(x), z = x * x;
    VEC q = FN(set)(-0.00570948854f);
    q = q * z + 0.0206441275f;
    q = q * z - 0.0537416198f;
    q = q * z + 0.133314701f;
    q = q * z - 0.333332832f;
    VEC near = a + a * (z * q), far = 1.0f - 2.0f / (FN(exp)(a * 2.0f) + 1.0f);
    VEC y = FN(select)(FN(signed)(a - 0.625f), near, far);
    return (VEC)((IVEC)y | ((IVEC)x & INT32_MIN));
}

/* The standard normal distribution: returns P(X <= x) = (1 + erf(x / sqrt(2))) / 2 and its density at x. The tail
 * P(X <= -|x|) = exp(-x^2/2) u p(u), u = 1 / (1 + 0.35 |x|), p minimax of degree 8, has a relative error of at most
 * 8 + x^2 units of 2^-24, so there is no cancellation for negative x; for positive x the result is within 4 ulp. 0 and
 * 1 beyond |x| = 13.2. */
HONE_INLINE VEC FN(normal)(VEC x, VEC *density) {
    VEC a = FN(abs)(x), u = 1.0f / (a * 0.35f + 1.0f), e = FN(exp)(x * x * -0.5f);
    VEC q = FN(set)(-0.0291151195f);
    q = q * u + 0.143818909f;
    q = q * u - 0.255391996f;
    q = q * u + 0.158797642f;
    q = q * u - 0.0228441327f;
    q = q * u + 0.105392428f;
    q = q * u + 0.119863023f;
    q = q * u + 0.13985757f;
    q = q * u + 0.13962166f;
    VEC tail = e * (q * u);
    *density = e * 0.398942280f;
    return FN(select)(FN(signed)(x), tail, 1.0f - tail);
}

/* The argument of tanh in the approximate GELU. */
HONE_INLINE VEC FN(gelu_inner)(VEC x) { return (x * x * 0.044715f + 1.0f) * (x * 0.797884561f); }

HONE_INLINE VEC FN(activation)(VEC x, enum hone_activation kind) {
    VEC density;
    switch (kind) {
    case HONE_GELU_ERF:
        return x * FN(normal)(x, &density);
    case HONE_GELU_TANH:
        return x * 0.5f * (FN(tanh)(FN(gelu_inner)(x)) + 1.0f);
    case HONE_RELU:
        return FN(select)(x < 0.0f, FN(set)(0.0f), x);
    case HONE_TANH:
        return FN(tanh)(x);
    }
    return x;
}

/* The derivative at x; for HONE_TANH from the output. */
HONE_INLINE VEC FN(activation_slope)(VEC x, enum hone_activation kind) {
    VEC density, t;
    switch (kind) {
    case HONE_GELU_ERF: {
        VEC cumulative = FN(normal)(x, &density);
        return cumulative + x * density;
    }
    case HONE_GELU_TANH:
        t = FN(tanh)(FN(gelu_inner)(x));
        return (t + 1.0f) * 0.5f + (1.0f - t * t) * (x * x * 0.134145f + 1.0f) * (x * 0.398942280f);
    case HONE_RELU:
        return FN(and)(FN(set)(1.0f), x > 0.0f);
    case HONE_TANH:
        return 1.0f - x * x;
    }
    return x;
}
