#version 330
// SPDX-License-Identifier: Apache-2.0
//   TAKE_LENS  1 = the take's camera has a lens; take_lens.glsl stands before this
uniform mat4 clip_from_mesh;
uniform uint first_id;
in vec3 position;   // source camera coordinates
flat out uint id;

void main() {
    gl_Position = clip_from_mesh * vec4(position, 1.0);
#if TAKE_LENS
    gl_Position = through_lens(gl_Position);
#endif
    id = first_id + uint(gl_VertexID);
}
