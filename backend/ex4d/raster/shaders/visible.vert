#version 330
// SPDX-License-Identifier: Apache-2.0
uniform mat4 clip_from_mesh;
uniform uint first_id;
in vec3 position;   // source camera coordinates
in uint skip;       // 1 = the triangle that ends here is drawn in pieces
flat out uint id;   // a triangle takes its last vertex's; 0 = skip

void main() {
    gl_Position = clip_from_mesh * vec4(position, 1.0);
    id = skip == 0u ? first_id + uint(gl_VertexID) : 0u;
}
