# SPDX-License-Identifier: Apache-2.0
"""EX-4D: turn one ordinary video (a *plate*) into a 4D scene and re-shoot it with a new camera.

The stages, each a folder here: ``plate`` -> ``solve`` -> ``depth`` -> ``mesh`` -> ``raster`` -> ``fill`` ->
``composite``. ``camera`` holds cameras and trajectories, ``shot`` the folder and the cache that all stages share.
"""

__version__ = "0.1.0"
