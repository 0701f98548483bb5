#version 330
// SPDX-License-Identifier: Apache-2.0
// First pass: which face stands at the pixel. Nothing more, because most triangles are about one pixel large and a
// software driver runs this for a whole block of pixels for each of them.
uniform float near;
flat in uint id;
layout(location = 0) out uint visible;

void main() {
    // Reversed depth keeps float32 exact from the near plane to infinity.
    gl_FragDepth = near * gl_FragCoord.w;
    visible = id;
}
