#version 430
// SPDX-License-Identifier: Apache-2.0
// Second and third pass in one, straight into the buffer that is read: large GPUs draw with few of their processors, and
// compute with all. surface.glsl stands before it.
//   BYTES     of a colour value: 1, 2 or 4
#define GROUP 64
const int SHARE = 4 / BYTES;     // colour values in a word
layout(local_size_x = GROUP) in;
layout(std430, binding = 0) writeonly buffer Frame { uint words[]; };
uniform ivec2 size;              // of the picture
uniform int positions_word;      // where in the buffer plate positions, colours and mask begin; z comes first. Each has
uniform int color_word;          // room for whole groups of pixels
uniform int mask_word;
shared uvec4 colors[GROUP];
shared uint masks[GROUP];

void main() {
    int group = int(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x), own = int(gl_LocalInvocationID.x);
    int pixel = group * GROUP + own;
    // A last row of groups may go on beyond the picture.
    if (group * GROUP >= size.x * size.y) return;
    color = uvec4(0u);
    mask = 0u;
    if (pixel < size.x * size.y) {
        int row = pixel / size.x;
        shade(vec2(pixel - row * size.x, row) + 0.5);
        words[pixel] = z_bits;
#if POSITIONS
        words[positions_word + 2 * pixel] = position_bits.x;
        words[positions_word + 2 * pixel + 1] = position_bits.y;
#endif
    }
    colors[own] = color;
    masks[own] = mask;
    barrier();
    const int COLORS = GROUP * CHANNELS / SHARE;
    for (int word = own; word < COLORS; word += GROUP) {
        uint together = 0u;
        for (int k = 0; k < SHARE; k++) {
            int value = SHARE * word + k;
            int from = value / CHANNELS;
            together |= colors[from][value - CHANNELS * from] << (8 * BYTES * k);
        }
        words[color_word + group * COLORS + word] = together;
    }
    if (own < GROUP / 4) {
        int first = 4 * own;
        words[mask_word + group * GROUP / 4 + own] =
            masks[first] | masks[first + 1] << 8 | masks[first + 2] << 16 | masks[first + 3] << 24;
    }
}
