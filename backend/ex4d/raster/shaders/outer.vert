#version 330
// SPDX-License-Identifier: Apache-2.0
uniform mat4 clip_from_mesh;
uniform uint first_id;
in vec3 position;   // source camera coordinates
flat out uint id;

void main() {
    gl_Position = clip_from_mesh * vec4(position, 1.0);
    id = first_id + uint(gl_VertexID);
}
