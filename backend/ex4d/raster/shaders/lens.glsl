// SPDX-License-Identifier: Apache-2.0
// A lens as a table of displacements in pixels at nodes of a grid; raster/lens_table.py makes it and says how good it is.
vec4 spline(float t) {
    float t2 = t * t, t3 = t2 * t;
    return vec4(t2 - 0.5 * (t + t3), 1.0 + 0.5 * (3.0 * t3 - 5.0 * t2), 0.5 * (t + 4.0 * t2 - 3.0 * t3), 0.5 * (t3 - t2));
}

// Of an ideal pixel position; beyond the table that of its border. ``grid`` has the first node's position, and nodes a
// pixel across and down.
vec2 displacement(sampler2D table, vec4 grid, vec2 ideal) {
    vec2 last = vec2(textureSize(table, 0)) - 3.0;
    vec2 place = (ideal - grid.xy) * grid.zw;
    vec2 base = clamp(floor(place), vec2(1.0), last);
    vec2 t = clamp(place - base, 0.0, 1.0);
    vec4 across = spline(t.x), down = spline(t.y);
    ivec2 first = ivec2(base) - 1;
    vec2 moved = vec2(0.0);
    for (int j = 0; j < 4; j++) {
        vec2 row = vec2(0.0);
        for (int i = 0; i < 4; i++) row += across[i] * texelFetch(table, first + ivec2(i, j), 0).rg;
        moved += down[j] * row;
    }
    return moved;
}
