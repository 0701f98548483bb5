#version 330
// SPDX-License-Identifier: Apache-2.0
// Second pass where there are no compute shaders. surface.glsl stands before it.
void main() {
    shade(gl_FragCoord.xy);
}
