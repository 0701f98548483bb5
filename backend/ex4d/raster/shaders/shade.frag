#version 330
// SPDX-License-Identifier: Apache-2.0
// Second pass: colour, validity and z from the visible face. The same rules stand in raster/shading.py, with the
// derivation, for the rasterizers that have no shaders.
uniform usampler2D visible;      // see find_face; 0 = nothing
uniform sampler2D z;             // z-depth of the grid's vertices
uniform sampler2D outer;         // values of the faces behind the grid's (skirt, cap, pieces), four a texel, in rows:
                                 // their corners; their disparity jumps; plate pixel positions whose colours corners have
uniform usampler2D plate;        // RGB code values
uniform usampler2D alpha;        // released construction: 1 = visible vertex
uniform mat4 camera_from_mesh;
uniform vec4 ray;                // take pixel -> ray at z = 1: scale across and down, offset across and down
uniform vec4 plate_lens;         // source camera coordinates -> plate pixel: fx, fy, cx, cy
uniform vec4 source_ray;         // grid position -> ray at z = 1: scale across and down, offset across and down
uniform int first_gap;           // the first disparity jump among the values of outer
uniform int first_place;         // the first plate pixel position there
uniform int first_plate;         // outer corner that it belongs to
uniform int grid_width;
uniform int grid_height;
uniform vec2 grid_low;           // plate pixel positions between which the surface may lie
uniform vec2 grid_high;
uniform float far;
uniform float largest_closed_gap;
uniform bool vertex_alpha;
uniform bool positions;          // the bits of plate positions instead of colours
uniform float snap;              // a position so near to a pixel's centre is that pixel
uniform float alpha_threshold;
layout(location = 0) out uvec4 color;
layout(location = 1) out uint mask;
layout(location = 2) out uint z_bits;     // of a float; shaders need not keep NaN, which stands for nothing

const uint NOTHING = 0x7fc00000u;         // numpy's NaN

// Rows hold 4096 texels. Bit operations, because software drivers divide integers slowly.
float outer_value(int index) {
    int texel = index >> 2;
    return texelFetch(outer, ivec2(texel & 4095, texel >> 12), 0)[index & 3];
}

// Faces are known by the last vertex of their triangle, because gl_PrimitiveID costs software drivers a third of their
// time. Even and odd rows of quads are drawn apart: where a row's number has the draw's parity, the vertex ends the
// first triangle of a quad below it, else the second triangle of a quad above it. Outer faces share no vertices; for
// them the first outer corner is given, for the grid's -1 and the corners' columns and rows.
int find_face(int id, out ivec2 corners[3]) {
    int vertices = grid_width * grid_height;
    corners = ivec2[3](ivec2(0), ivec2(0), ivec2(0));
    if (id >= 2 * vertices) return id - 2 * vertices - 2;
    int parity = id < vertices ? 0 : 1;
    int vertex = id - parity * vertices;
    int row = vertex / grid_width;
    ivec2 last = ivec2(vertex - row * grid_width, row);
    corners = (row & 1) == parity ? ivec2[3](last - ivec2(1, 0), last + ivec2(-1, 1), last)
                                  : ivec2[3](last - ivec2(0, 1), last - ivec2(1, 0), last);
    return -1;
}

vec3 point(ivec2 at) {
    float depth = texelFetch(z, at, 0).r;
    return vec3((vec2(at) * source_ray.xy + source_ray.zw) * depth, depth);
}

vec3 outer_point(int corner) {
    return vec3(outer_value(3 * corner), outer_value(3 * corner + 1), outer_value(3 * corner + 2));
}

vec2 outer_place(int corner) {
    int place = first_place + 2 * (corner - first_plate);
    return vec2(outer_value(place), outer_value(place + 1));
}

vec3 in_camera(vec3 position) {
    return (camera_from_mesh * vec4(position, 1.0)).xyz;
}

float cross2(vec2 a, vec2 b) {
    return a.x * b.y - a.y * b.x;
}

vec3 texel(ivec2 at) {
    return vec3(texelFetch(plate, clamp(at, ivec2(0), textureSize(plate, 0) - 1), 0).rgb);
}

// Linear over the half of the pixel quad that the position falls into: with one vertex per pixel these are the three
// corners of the very triangle, so that no colour leaks in from across a depth jump.
vec3 plate_color(vec2 at) {
    vec2 p = clamp(at - 0.5, vec2(0.0), vec2(textureSize(plate, 0) - 1));
    ivec2 base = ivec2(floor(p));
    vec2 f = p - vec2(base);
    vec2 nearest = floor(p + 0.5);
    if (all(lessThanEqual(abs(p - nearest), vec2(snap)))) return texel(ivec2(nearest));
    bool second = f.x + f.y > 1.0;
    vec3 corner = second ? texel(base + 1) : texel(base);
    vec2 g = second ? 1.0 - f : f;
    vec3 across = second ? texel(base + ivec2(0, 1)) : texel(base + ivec2(1, 0));
    vec3 down = second ? texel(base + ivec2(1, 0)) : texel(base + ivec2(0, 1));
    return corner + g.x * (across - corner) + g.y * (down - corner);
}

vec4 vertex_color(ivec2 at) {
    return texelFetch(alpha, at, 0).r > 0u ? vec4(vec3(texelFetch(plate, at, 0).rgb), 1.0) : vec4(0.0);
}

void main() {
    color = uvec4(0u);
    mask = 0u;
    z_bits = NOTHING;
    uint known = texelFetch(visible, ivec2(gl_FragCoord.xy), 0).r;
    int id = int(known & 0x7fffffffu) - 1;
    if (id < 0) return;
    ivec2 corners[3];
    int first_outer = find_face(id, corners);
    mat3 triangle = first_outer < 0 ? mat3(point(corners[0]), point(corners[1]), point(corners[2]))
                              : mat3(outer_point(first_outer), outer_point(first_outer + 1), outer_point(first_outer + 2));
    vec3 a = in_camera(triangle[0]), b = in_camera(triangle[1]), c = in_camera(triangle[2]);
    vec2 direction = gl_FragCoord.xy * ray.xy + ray.zw;
    vec2 qa = a.xy - direction * a.z, qb = b.xy - direction * b.z, qc = c.xy - direction * c.z;
    vec3 weights = vec3(cross2(qb, qc), cross2(qc, qa), cross2(qa, qb));
    float area = weights.x + weights.y + weights.z;
    weights = area == 0.0 ? vec3(1.0, 0.0, 0.0) : weights / area;
    float depth = dot(weights, vec3(a.z, b.z, c.z));
    if (depth > far) return;
    z_bits = floatBitsToUint(depth);
    if (vertex_alpha) {
        if (first_outer >= 0) {
            for (int k = 0; k < 3; k++) corners[k] = ivec2(outer_place(first_outer + k));
        }
        vec4 rgba = weights.x * vertex_color(corners[0]) + weights.y * vertex_color(corners[1])
                  + weights.z * vertex_color(corners[2]);
        if (rgba.a > alpha_threshold) {
            color = uvec4(uvec3(rgba.rgb / rgba.a + 0.5), 0u);
            mask = 255u;
        }
        return;
    }
    // Clockwise in the picture, where y points down, is the front.
    if (area >= 0.0 || (known & 0x80000000u) != 0u) return;
    if (first_outer >= 0 && outer_value(first_gap + first_outer / 3) > largest_closed_gap) return;
    // The plate is projected onto the surface from the source camera.
    vec3 surface = triangle * weights;
    vec2 at = plate_lens.xy * surface.xy / surface.z + plate_lens.zw;
    if (first_outer >= first_plate) {
        // A piece at a depth jump has the colours of its own side of it.
        at = weights.x * outer_place(first_outer) + weights.y * outer_place(first_outer + 1)
           + weights.z * outer_place(first_outer + 2);
    }
    if (any(lessThan(at, grid_low)) || any(greaterThan(at, grid_high))) return;
    color = positions ? uvec4(floatBitsToUint(at), 0u, 0u) : uvec4(uvec3(plate_color(at) + 0.5), 0u);
    mask = 255u;
}
