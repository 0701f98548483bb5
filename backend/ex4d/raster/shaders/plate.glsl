// SPDX-License-Identifier: Apache-2.0
// The plate between its pixels; the same rules stand in raster/sampling.py. Values come and go as bits: no driver need
// keep an inf, a NaN or a tiny number of a float texture, and a half is no type of OpenGL 3.3's.
//   VALUES    0 = code values, 1 = halves, 2 = floats
//   CHANNELS  3, or 4 with alpha: straight beside code values, associated beside floats
//   SNAP      1 = a position within SNAP_PX of a pixel's centre takes that pixel as it is
uniform usampler2D plate;

#if VALUES == 1
float value_of(uint bits) {
    uint size = bits & 0x7fffu, sign = (bits & 0x8000u) << 16;
    // Halves below the normal ones are spelled out: as a float's bits they could be taken for 0.
    if (size < 0x400u) return (sign != 0u ? -1.0 : 1.0) * float(size) * 5.9604644775390625e-8;
    return uintBitsToFloat(sign | (size << 13) + (size < 0x7c00u ? 0x38000000u : 0x70000000u));
}

// The nearest half, of two the even one.
uint bits_of(float value) {
    uint bits = floatBitsToUint(value), sign = (bits >> 16) & 0x8000u, size = bits & 0x7fffffffu;
    if (size > 0x7f800000u) return sign | 0x7e00u;
    if (size >= 0x477ff000u) return sign | 0x7c00u;
    if (size < 0x38800000u) return sign | uint(roundEven(abs(value) * 16777216.0));
    return sign | (size - 0x38000000u + 0xfffu + ((size >> 13) & 1u)) >> 13;
}

vec4 values_of(uvec4 bits) {
    return vec4(value_of(bits.r), value_of(bits.g), value_of(bits.b), CHANNELS == 4 ? value_of(bits.a) : 0.0);
}

uvec4 pixel_of(vec4 value) {
    return uvec4(bits_of(value.r), bits_of(value.g), bits_of(value.b), CHANNELS == 4 ? bits_of(value.a) : 0u);
}
#elif VALUES == 2
vec4 values_of(uvec4 bits) {
    return uintBitsToFloat(bits);
}

uvec4 pixel_of(vec4 value) {
    return floatBitsToUint(value);
}
#else
vec4 values_of(uvec4 bits) {
    return vec4(bits);
}

uvec4 pixel_of(vec4 value) {
    return uvec4(value + 0.5);
}
#endif

uvec4 texel(ivec2 at) {
    return texelFetch(plate, clamp(at, ivec2(0), textureSize(plate, 0) - 1), 0);
}

// A pixel of weight 0 is not looked at: 0 times inf would be NaN.
vec4 share(float weight, vec4 value) {
    return weight > 0.0 ? weight * value : vec4(0.0);
}

uvec4 mixed(uvec4 a, uvec4 b, uvec4 c, vec3 weights) {
    weights = max(weights, 0.0);
    vec4 x = values_of(a), y = values_of(b), z = values_of(c);
#if VALUES == 0 && CHANNELS == 4
    vec3 alphas = weights * vec3(x.a, y.a, z.a);
    float total = alphas.x + alphas.y + alphas.z;
    // Where all is transparent the colours count as they stand.
    vec3 of = total > 0.0 ? alphas : weights;
    vec3 color = of.x * x.rgb + of.y * y.rgb + of.z * z.rgb;
    return pixel_of(vec4(total > 0.0 ? color / total : color, total));
#else
    return pixel_of(share(weights.x, x) + share(weights.y, y) + share(weights.z, z));
#endif
}

// Linear over the half of the pixel quad that the position falls into: with one vertex per pixel these are the three
// corners of the very triangle, so that no colour leaks in from across a depth jump. ``at`` becomes the position that
// was looked at.
uvec4 plate_pixel(inout vec2 at) {
    vec2 p = clamp(at - 0.5, vec2(0.0), vec2(textureSize(plate, 0) - 1));
#if SNAP
    vec2 nearest = roundEven(p);
    if (all(lessThanEqual(abs(p - nearest), vec2(SNAP_PX)))) {
        at = nearest + 0.5;
        return texelFetch(plate, ivec2(nearest), 0);
    }
#endif
    at = p + 0.5;
    ivec2 base = ivec2(floor(p));
    vec2 f = p - vec2(base);
    bool second = f.x + f.y > 1.0;
    uvec4 corner = second ? texel(base + 1) : texel(base);
    vec2 g = second ? 1.0 - f : f;
    uvec4 across = second ? texel(base + ivec2(0, 1)) : texel(base + ivec2(1, 0));
    uvec4 down = second ? texel(base + ivec2(1, 0)) : texel(base + ivec2(0, 1));
#if VALUES == 0 && CHANNELS == 3
    vec3 color = vec3(corner.rgb);
    return uvec4(uvec3(color + g.x * (vec3(across.rgb) - color) + g.y * (vec3(down.rgb) - color) + 0.5), 0u);
#else
    return mixed(corner, across, down, vec3(1.0 - g.x - g.y, g.x, g.y));
#endif
}

// Visible vertices mixed, one a plate pixel, by the shares they have (0 for others) of a total above 0.
uvec4 vertex_pixel(ivec2 corners[3], vec3 weights, vec3 shares, float total, out vec2 at) {
#if SNAP
    for (int k = 0; k < 3; k++) {
        if (weights[k] >= 1.0 - SNAP_PX && shares[k] > 0.0) {
            at = vec2(corners[k]) + 0.5;
            return texelFetch(plate, corners[k], 0);
        }
    }
#endif
    at = (shares.x * vec2(corners[0]) + shares.y * vec2(corners[1]) + shares.z * vec2(corners[2])) / total + 0.5;
    uvec4 a = texelFetch(plate, corners[0], 0), b = texelFetch(plate, corners[1], 0), c = texelFetch(plate, corners[2], 0);
#if VALUES == 0 && CHANNELS == 3
    vec3 color = shares.x * vec3(a.rgb) + shares.y * vec3(b.rgb) + shares.z * vec3(c.rgb);
    return uvec4(uvec3(color / total + 0.5), 0u);
#else
    return mixed(a, b, c, shares / total);
#endif
}
