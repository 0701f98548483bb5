#version 330
// SPDX-License-Identifier: Apache-2.0
// Second pass: colour, validity and z from the visible face. The same rules stand in raster/shading.py, with the
// derivation, for the rasterizers that have no shaders.
uniform usampler2D visible;      // see find_face; 0 = nothing
uniform sampler2D points;        // vertices in source camera coordinates, in rows
uniform usampler2D outer_faces;  // corners of the faces behind the grid's, in rows: skirt, cap, pieces
uniform sampler2D piece_plate;   // plate pixel positions whose colours the pieces' points have, in rows
uniform sampler2D gaps;          // disparity jump of each face, in rows
uniform usampler2D plate;        // RGB code values
uniform usampler2D alpha;        // released construction: 1 = visible vertex
uniform mat4 camera_from_mesh;
uniform vec4 ray;                // take pixel -> ray at z = 1: scale across and down, offset across and down
uniform vec4 plate_lens;         // source camera coordinates -> plate pixel: fx, fy, cx, cy
uniform int own_points;          // of the mesh; those behind them are of pieces
uniform int grid_width;
uniform int grid_height;
uniform vec2 grid_low;           // plate pixel positions between which the surface may lie
uniform vec2 grid_high;
uniform float far;
uniform float largest_closed_gap;
uniform bool vertex_alpha;
uniform float alpha_threshold;
layout(location = 0) out uvec4 color;
layout(location = 1) out float z_depth;

// Rows hold 4096 values. Bit operations, because software drivers divide integers slowly.
ivec2 in_rows(int index) {
    return ivec2(index & 4095, index >> 12);
}

// Faces are known by the last vertex of their triangle, because gl_PrimitiveID costs software drivers a third of their
// time. Even and odd rows of quads are drawn apart: where a row's number has the draw's parity, the vertex ends the
// first triangle of a quad below it, else the second triangle of a quad above it. Outer faces share no vertices.
void find_face(int id, out int face, out ivec3 corners) {
    int vertices = grid_width * grid_height;
    if (id >= 2 * vertices) {
        int outer = (id - 2 * vertices) / 3;
        face = 2 * (grid_width - 1) * (grid_height - 1) + outer;
        corners = ivec3(texelFetch(outer_faces, in_rows(outer), 0).rgb);
        return;
    }
    int parity = id < vertices ? 0 : 1;
    int vertex = id - parity * vertices;
    int row = vertex / grid_width;
    int column = vertex - row * grid_width;
    bool first = (row & 1) == parity;
    int quad_row = first ? row : row - 1;
    int top_left = quad_row * grid_width + column - 1;
    face = 2 * (quad_row * (grid_width - 1) + column - 1) + (first ? 0 : 1);
    corners = first ? ivec3(top_left, top_left + grid_width, top_left + 1)
                    : ivec3(top_left + 1, top_left + grid_width, top_left + grid_width + 1);
}

vec3 point(int vertex) {
    return texelFetch(points, in_rows(vertex), 0).xyz;
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
    bool second = f.x + f.y > 1.0;
    vec3 corner = second ? texel(base + 1) : texel(base);
    vec2 g = second ? 1.0 - f : f;
    vec3 across = second ? texel(base + ivec2(0, 1)) : texel(base + ivec2(1, 0));
    vec3 down = second ? texel(base + ivec2(1, 0)) : texel(base + ivec2(0, 1));
    return corner + g.x * (across - corner) + g.y * (down - corner);
}

vec4 vertex_color(int vertex) {
    ivec2 at = ivec2(vertex % grid_width, vertex / grid_width);
    return texelFetch(alpha, at, 0).r > 0u ? vec4(vec3(texelFetch(plate, at, 0).rgb), 1.0) : vec4(0.0);
}

void main() {
    color = uvec4(0u);
    z_depth = 0.0;
    int id = int(texelFetch(visible, ivec2(gl_FragCoord.xy), 0).r) - 1;
    if (id < 0) return;
    int face;
    ivec3 corners;
    find_face(id, face, corners);
    mat3 triangle = mat3(point(corners.x), point(corners.y), point(corners.z));
    vec3 a = in_camera(triangle[0]), b = in_camera(triangle[1]), c = in_camera(triangle[2]);
    vec2 direction = gl_FragCoord.xy * ray.xy + ray.zw;
    vec2 qa = a.xy - direction * a.z, qb = b.xy - direction * b.z, qc = c.xy - direction * c.z;
    vec3 weights = vec3(cross2(qb, qc), cross2(qc, qa), cross2(qa, qb));
    float area = weights.x + weights.y + weights.z;
    weights = area == 0.0 ? vec3(1.0, 0.0, 0.0) : weights / area;
    float z = dot(weights, vec3(a.z, b.z, c.z));
    if (z > far) return;
    z_depth = z;
    if (vertex_alpha) {
        vec4 rgba = weights.x * vertex_color(corners.x) + weights.y * vertex_color(corners.y)
                  + weights.z * vertex_color(corners.z);
        if (rgba.a > alpha_threshold) color = uvec4(uvec3(rgba.rgb / rgba.a + 0.5), 1u);
        return;
    }
    // Clockwise in the picture, where y points down, is the front.
    if (area >= 0.0) return;
    if (texelFetch(gaps, in_rows(face), 0).r > largest_closed_gap) return;
    // The plate is projected onto the surface from the source camera.
    vec3 surface = triangle * weights;
    vec2 at = plate_lens.xy * surface.xy / surface.z + plate_lens.zw;
    if (corners.x >= own_points) {
        // A piece at a depth jump has the colours of its own side of it.
        ivec3 own = corners - own_points;
        at = weights.x * texelFetch(piece_plate, in_rows(own.x), 0).xy
           + weights.y * texelFetch(piece_plate, in_rows(own.y), 0).xy
           + weights.z * texelFetch(piece_plate, in_rows(own.z), 0).xy;
    }
    if (any(lessThan(at, grid_low)) || any(greaterThan(at, grid_high))) return;
    color = uvec4(uvec3(plate_color(at) + 0.5), 1u);
}
