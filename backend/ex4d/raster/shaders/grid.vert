#version 330
// SPDX-License-Identifier: Apache-2.0
uniform mat4 clip_from_mesh;
uniform uint first_id;
in vec2 ray;        // of the source camera at z = 1
in float z;         // z-depth, source camera coordinates
in uint state;      // of the triangle that ends here: 0 = drawn, 1 = stands there but is no surface, 2 = left out
flat out uint id;   // a triangle takes its last vertex's; 0 = left out; the highest bit = no surface

void main() {
    gl_Position = clip_from_mesh * vec4(ray * z, z, 1.0);
    id = state == 2u ? 0u : (first_id + uint(gl_VertexID)) | (state << 31);
}
