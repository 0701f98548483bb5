#version 330
// SPDX-License-Identifier: Apache-2.0
// Third pass: the colours as arrays hold them, R G B R G B ... without gaps, four of these values in each texel. Textures
// of three channels would do the same, but drivers need not draw into them, and many convert them on the processor.
uniform usampler2D color;
layout(location = 0) out uvec4 packed_values;

void main() {
    ivec2 size = textureSize(color, 0);
    int first = 4 * (int(gl_FragCoord.y) * size.x + int(gl_FragCoord.x));
    int pixel = first / 3;
    int channel = first - 3 * pixel;
    int row = pixel / size.x;
    ivec2 at = ivec2(pixel - row * size.x, row);
    ivec2 next = at.x + 1 < size.x ? at + ivec2(1, 0) : ivec2(0, at.y + 1);
    // The last row of texels may go on beyond the picture.
    uvec3 a = texelFetch(color, min(at, size - 1), 0).rgb, b = texelFetch(color, min(next, size - 1), 0).rgb;
    packed_values = channel == 0 ? uvec4(a, b.r) : channel == 1 ? uvec4(a.gb, b.rg) : uvec4(a.b, b);
}
