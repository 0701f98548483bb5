// SPDX-License-Identifier: Apache-2.0
// A vertex where the take's lens shows it. Faces stay flat between their corners, which is near enough to choose the
// face that a pixel sees; the pixel's own ray is then met with it exactly. Vertices behind the camera stay where a
// pinhole has them: their faces are cut at the near plane.
uniform sampler2D take_table;
uniform vec4 take_grid;
uniform vec2 take_size;      // pixels

vec4 through_lens(vec4 clip) {
    if (clip.w <= 0.0) return clip;
    vec2 ideal = (0.5 * clip.xy / clip.w + 0.5) * take_size;
    return vec4(clip.xy + 2.0 * displacement(take_table, take_grid, ideal) / take_size * clip.w, clip.zw);
}
