#version 330
// SPDX-License-Identifier: Apache-2.0
// First pass: which face stands at the pixel. Nothing more, because most triangles are about one pixel large and a
// software driver runs this for a whole block of pixels for each of them.
uniform float near;
flat in uint id;
layout(location = 0) out uint visible;

void main() {
    if (id == 0u) discard;
    // Reversed, and the root of 1/z: of 24 bits enough are left for a sky 10 million near planes away.
    gl_FragDepth = sqrt(near * gl_FragCoord.w);
    visible = id;
}
