#version 330
// SPDX-License-Identifier: Apache-2.0
// Second pass: colour, validity and z from the visible face. The same rules stand in raster/shading.py, with the
// derivation, for the rasterizers that have no shaders. plate.glsl stands before it.
//   POSITIONS    1 = the plate positions are wanted
//   SOURCE_LENS  1 = the plate has a lens: rays of vertices, and places on the plate, come from tables (lens.glsl)
//   TAKE_LENS    1 = the take has one: its pixels' rays come from a table
//   VERTEX_ALPHA 1 = the released construction, where validity is the vertices'
// Software drivers run both sides of each condition, so that what is looked up counts, not what is needed of it.
uniform usampler2D visible;      // see find_face; 0 = nothing
uniform sampler2D z;             // z-depth of the grid's vertices
uniform sampler2D outer;         // values of the faces behind the grid's (skirt, cap, pieces), four a texel, in rows:
                                 // their corners; their disparity jumps; plate pixel positions whose colours corners have
#if VERTEX_ALPHA
uniform usampler2D alpha;        // 1 = visible vertex
uniform float alpha_threshold;
#endif
uniform mat4 camera_from_mesh;
#if TAKE_LENS
uniform sampler2D take_rays;     // of the take's pixels at z = 1
#else
uniform vec4 ray;                // take pixel -> ray at z = 1: scale across and down, offset across and down
#endif
uniform vec4 plate_lens;         // source camera coordinates -> plate pixel: fx, fy, cx, cy
#if SOURCE_LENS
uniform sampler2D source_rays;   // of the grid's vertices at z = 1
uniform sampler2D source_table;
uniform vec4 source_grid;
#else
uniform vec4 source_ray;         // grid position -> ray at z = 1: scale across and down, offset across and down
#endif
uniform int first_gap;           // the first disparity jump among the values of outer
uniform int first_place;         // the first plate pixel position there
uniform int first_plate;         // outer corner that it belongs to
uniform int grid_width;
uniform int grid_height;
uniform vec2 grid_low;           // plate pixel positions between which the surface may lie
uniform vec2 grid_high;
uniform float far;
uniform float largest_closed_gap;
layout(location = 0) out uvec4 color;
layout(location = 1) out uint mask;
layout(location = 2) out uint z_bits;     // of a float; shaders need not keep NaN, which stands for nothing
#if POSITIONS
layout(location = 3) out uvec2 position_bits;
#endif

const uint NOTHING = 0x7fc00000u;         // numpy's NaN

// Rows hold 4096 texels. Bit operations, because software drivers divide integers slowly.
vec4 outer_texel(int texel) {
    return texelFetch(outer, ivec2(texel & 4095, texel >> 12), 0);
}

float outer_value(int index) {
    return outer_texel(index >> 2)[index & 3];
}

// Nine values that follow each other; three texels hold them, wherever they begin.
mat3 outer_values(int first) {
    int texel = first >> 2, skipped = first & 3;
    vec4 a = outer_texel(texel), b = outer_texel(texel + 1), c = outer_texel(texel + 2);
    if ((skipped & 2) != 0) {
        a = vec4(a.zw, b.xy);
        b = vec4(b.zw, c.xy);
        c = vec4(c.zw, 0.0, 0.0);
    }
    if ((skipped & 1) != 0) {
        a = vec4(a.yzw, b.x);
        b = vec4(b.yzw, c.x);
        c.x = c.y;
    }
    return mat3(a.xyz, vec3(a.w, b.xy), vec3(b.zw, c.x));
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
#if SOURCE_LENS
    return vec3(texelFetch(source_rays, at, 0).rg * depth, depth);
#else
    return vec3((vec2(at) * source_ray.xy + source_ray.zw) * depth, depth);
#endif
}

mat3x2 outer_places(int first_corner) {
    mat3 values = outer_values(first_place + 2 * (first_corner - first_plate));
    return mat3x2(values[0].xy, vec2(values[0].z, values[1].x), values[1].yz);
}

vec3 in_camera(vec3 position) {
    return (camera_from_mesh * vec4(position, 1.0)).xyz;
}

float cross2(vec2 a, vec2 b) {
    return a.x * b.y - a.y * b.x;
}

#if VERTEX_ALPHA
bool visible_vertex(ivec2 at) {
    return texelFetch(alpha, at, 0).r > 0u;
}
#endif

void surface_at(uvec4 pixel, vec2 at) {
    color = pixel;
    mask = 255u;
#if POSITIONS
    position_bits = floatBitsToUint(at);
#endif
}

void main() {
    color = uvec4(0u);
    mask = 0u;
    z_bits = NOTHING;
#if POSITIONS
    position_bits = uvec2(NOTHING);
#endif
    uint known = texelFetch(visible, ivec2(gl_FragCoord.xy), 0).r;
    int id = int(known & 0x7fffffffu) - 1;
    if (id < 0) return;
    ivec2 corners[3];
    int first_outer = find_face(id, corners);
    mat3 triangle = first_outer < 0 ? mat3(point(corners[0]), point(corners[1]), point(corners[2]))
                              : outer_values(3 * first_outer);
    vec3 a = in_camera(triangle[0]), b = in_camera(triangle[1]), c = in_camera(triangle[2]);
#if TAKE_LENS
    vec2 direction = texelFetch(take_rays, ivec2(gl_FragCoord.xy), 0).rg;
#else
    vec2 direction = gl_FragCoord.xy * ray.xy + ray.zw;
#endif
    vec2 qa = a.xy - direction * a.z, qb = b.xy - direction * b.z, qc = c.xy - direction * c.z;
    vec3 weights = vec3(cross2(qb, qc), cross2(qc, qa), cross2(qa, qb));
    float area = weights.x + weights.y + weights.z;
    weights = area == 0.0 ? vec3(1.0, 0.0, 0.0) : weights / area;
    float depth = dot(weights, vec3(a.z, b.z, c.z));
    if (depth > far) return;
    z_bits = floatBitsToUint(depth);
#if VERTEX_ALPHA
    if (first_outer >= 0) {
        mat3x2 places = outer_places(first_outer);
        for (int k = 0; k < 3; k++) corners[k] = ivec2(places[k]);
    }
    vec3 shares = weights * vec3(bvec3(
        visible_vertex(corners[0]), visible_vertex(corners[1]), visible_vertex(corners[2])));
    float total = shares.x + shares.y + shares.z;
    if (total > alpha_threshold) {
        vec2 at;
        uvec4 pixel = vertex_pixel(corners, weights, shares, total, at);
        surface_at(pixel, at);
    }
#else
    // Clockwise in the picture, where y points down, is the front.
    if (area >= 0.0 || (known & 0x80000000u) != 0u) return;
    if (first_outer >= 0 && outer_value(first_gap + first_outer / 3) > largest_closed_gap) return;
    // The plate is projected onto the surface from the source camera.
    vec3 surface = triangle * weights;
    vec2 at = plate_lens.xy * surface.xy / surface.z + plate_lens.zw;
#if SOURCE_LENS
    bool piece = first_outer >= first_plate;
    vec2 reach = vec2(textureSize(source_table, 0) - 1) / source_grid.zw;
    // Beyond the table lies nothing of the plate.
    if (!piece && any(greaterThan(abs(at - source_grid.xy - 0.5 * reach), 0.5 * reach))) return;
    at += displacement(source_table, source_grid, at);
#endif
    if (first_outer >= first_plate) {
        // A piece at a depth jump has the colours of its own side of it.
        mat3x2 places = outer_places(first_outer);
        at = weights.x * places[0] + weights.y * places[1] + weights.z * places[2];
    }
    if (any(lessThan(at, grid_low)) || any(greaterThan(at, grid_high))) return;
    uvec4 pixel = plate_pixel(at);
    surface_at(pixel, at);
#endif
}
