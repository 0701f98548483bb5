#version 330
// SPDX-License-Identifier: Apache-2.0
//   TAKE_LENS  1 = the take's camera has a lens; take_lens.glsl stands before this
uniform mat4 clip_from_mesh;
uniform uint vertices;      // of the grid
in vec2 ray;                // of the source camera at z = 1
in uint place;              // 1 = first triangles of the quads below end in this row, 0 = second ones of those above; + 2
                            // where odd rows of quads are drawn
in float z;                 // z-depth, source camera coordinates
in uint first, second;      // state of these triangles: 0 = stands there but is no surface, 1 = surface, 2 = left out
flat out uint id;           // a triangle takes its last vertex's; 0 = left out; the highest bit = no surface

void main() {
    gl_Position = clip_from_mesh * vec4(ray * z, z, 1.0);
#if TAKE_LENS
    gl_Position = through_lens(gl_Position);
#endif
    uint state = (place & 1u) != 0u ? first : second;
    uint known = 1u + (place >> 1) * vertices + uint(gl_VertexID);
    id = state == 2u ? 0u : state == 1u ? known : known | 0x80000000u;
}
