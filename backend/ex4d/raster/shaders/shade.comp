#version 430
// SPDX-License-Identifier: Apache-2.0
// Second and third pass in one: large GPUs draw with few of their processors, and compute with all. surface.glsl stands
// before it.
//   BYTES     of a colour value: 1, 2 or 4
#define GROUP 64
layout(local_size_x = GROUP) in;
#if BYTES == 1
layout(rgba8ui, binding = 0) writeonly uniform uimage2D packed_picture;
#elif BYTES == 2
layout(rgba16ui, binding = 0) writeonly uniform uimage2D packed_picture;
#else
layout(rgba32ui, binding = 0) writeonly uniform uimage2D packed_picture;
#endif
layout(r8ui, binding = 1) writeonly uniform uimage2D mask_picture;
layout(r32ui, binding = 2) writeonly uniform uimage2D z_picture;
#if POSITIONS
layout(rg32ui, binding = 3) writeonly uniform uimage2D position_picture;
#endif
uniform ivec2 size;              // of the picture
shared uvec4 colors[GROUP];

ivec2 place(int index) {
    int row = index / size.x;
    return ivec2(index - row * size.x, row);
}

void main() {
    int group = int(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x), own = int(gl_LocalInvocationID.x);
    int pixel = group * GROUP + own;
    // A last row of groups may go on beyond the picture.
    if (group * GROUP >= size.x * size.y) return;
    color = uvec4(0u);
    if (pixel < size.x * size.y) {
        ivec2 at = place(pixel);
        shade(vec2(at) + 0.5);
        imageStore(mask_picture, at, uvec4(mask));
        imageStore(z_picture, at, uvec4(z_bits));
#if POSITIONS
        imageStore(position_picture, at, position_bits.xyxy);
#endif
    }
#if CHANNELS == 4
    if (pixel < size.x * size.y) imageStore(packed_picture, place(pixel), color);
#else
    // The colours as arrays hold them, see pack.frag.
    colors[own] = color;
    barrier();
    if (own < GROUP * 3 / 4) {
        int first = 4 * own;
        uvec4 together;
        for (int k = 0; k < 4; k++) together[k] = colors[(first + k) / 3][(first + k) % 3];
        imageStore(packed_picture, place(group * GROUP * 3 / 4 + own), together);
    }
#endif
}
