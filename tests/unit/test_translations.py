# SPDX-License-Identifier: Apache-2.0
"""German is complete: every text of the add-on that a person may read is in the table, and nothing else is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import ex4d_blender
import pytest
from ex4d_blender.core.translation import PLACE, Translation
from ex4d_blender.translations import german
from shown_texts import key_of, texts, texts_of

import ex4d
from ex4d.camera import PRESETS
from ex4d.depth.learned.estimator_spec import ESTIMATOR_SPECS
from ex4d.fill.registry import all_options, generator_infos
from ex4d.protocol.stage_names import STAGE_NAMES

ADDON, BACKEND = Path(ex4d_blender.__file__).parent, Path(ex4d.__file__).parent
#: What the terminal alone shows, and what writes files that no person reads.
LEAVE = ("cli", "saved.py", "core/saving.py", "core/environment_files.py", "translations/")
#: With a space and yet not read as texts of the interface, by the reason.
NOT_SHOWN = {
    "names of data in the .blend, which stay as they are": {
        "Base Size", "Base: {}", "Blender {}", "CG Layer", "Corner Index", "EX-4D {}", "Grid Height", "Grid Width",
        "First Picture", "Hole Material", "Is Camera Ray", "Is Glossy Ray", "Is Transmission Ray", "Map Material",
        "Render Size",
        "Shadow Layer", "Sort Index", "Take {}", "The take {} {}", "sRGB Un-tone-mapped", "{} Action", "{} EX-4D Edit",
        "{} Edit",
        "{} Hole", "{} Measured", "{} Mesh", "{} Output", "{} Plate", "{} Points", "{} Preview", "{} Source Camera",
        "{} Validity", "{} Cameras", "{} Seen",
        "3D View",
    },
    "names, units and licences that are the same everywhere": {
        "0.3 GB", "2.8 GB", "40 MB", "{} GB", "{} MB", "{}:{} min", "PIZ", "ZIP", "nvdiffrast", "EX-4D",
    },
    "words that are looked for in what others say": {
        "Error: {}", "colour matrix", "colour range", "was asked for", "frame rate", "pixel aspect", "no commercial",
        "requires a different Python",
        " and ",
    },
    "reports for whoever helps, logs and the terminal": {
        "EX-4D {} in Blender {}, backend {}", "EX-4D {} in Blender {}, backend {}, Python {}, {} {} {}",
        "({}, code {})",
        "busy s", "longest s", "total s",
        "not connected", "error: {}\n       {}", "{}: code {} after {} s", "EX-4D folder size", "EX-4D result",
        "a value of another kind than a take has", "number ", "number {}", "source camera",
    },
    "properties that no panel shows": {
        "Of the move that the coverage was counted for", "Of the records in this scene, see core.records",
        "Share of seen pixels per frame, JSON", "The generator's other options, JSON",
        "What the action needs besides the result, JSON",
        "What the option is, as of ex4d.protocol.capabilities.OptionKind",
    },
}  # fmt: skip


def is_data(key: str) -> bool:
    """Whether it is the name of a datablock of ours, a type annotation or a program for another Python."""
    is_name = re.match(
        r"\.?EX-4D (Catcher|CG|Clear|Closed|Comp|Heat|Hole|Holdout|Holes|Image|Mask|Mesh|Mix|Plate$|Relight"
        r"|Shadow|Surface|Take (?:Depth|Mask|Origin|Projection)$|Validity|Wipe|Z$|Handheld)",
        key,
    )
    return is_name is not None or key.startswith(("\nimport", "import ", "bpy.types."))


def required() -> dict[str, str]:
    silent = set().union(*NOT_SHOWN.values())
    found = texts_of(ADDON, leave=LEAVE)
    return {key: place for key, place in found.items() if key not in silent and not is_data(key)}


def literals(folder: Path) -> set[str]:
    """Every literal of a package."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        if "translations" not in path.parts:
            found |= {key for node in ast.walk(ast.parse(path.read_text("utf-8"))) if (key := key_of(node))}
    return found


def test_every_text_of_the_addon_is_in_the_table() -> None:
    assert {key: place for key, place in required().items() if key not in german.TABLE} == {}


def test_what_the_backend_names_is_in_the_table() -> None:
    names = set(STAGE_NAMES.values()) | {option.label for option in all_options().values()}
    names |= {spec.label for spec in ESTIMATOR_SPECS.values()} | {info.label for info in generator_infos()}
    names |= {preset.help for preset in PRESETS.values()}
    assert {name for name in names if Translation(german.TABLE).of(name) == name and name not in german.TABLE} == set()


@pytest.mark.parametrize("name", STAGE_NAMES.values())
def test_a_stage_of_several_words_is_translated_as_a_whole_with_its_count(name: str) -> None:
    said = Translation(german.TABLE)
    assert said.of(f"{name} 3/49") == f"{said.of(name)} 3/49"
    assert said.of(f"{name} 3/49, 2:05 min left") == f"{said.of(name)} 3/49, noch 2:05 min"


def test_the_table_has_nothing_else() -> None:
    known = literals(ADDON)
    assert [key for key in german.TABLE if key not in german.backend.TEXTS and key not in known] == []
    known = literals(BACKEND)
    assert [key for key in german.backend.TEXTS if key not in known] == []


def test_what_is_not_shown_is_there() -> None:
    known = literals(ADDON)
    assert set().union(*NOT_SHOWN.values()) - known == set()


def test_no_text_stands_twice() -> None:
    areas = (german.backend, german.core, german.operators, german.panels, german.scene)
    keys = [key for area in areas for key in area.TEXTS]
    assert sorted({key for key in keys if keys.count(key) > 1}) == []


@pytest.mark.parametrize("key", [key for key in german.TABLE if PLACE in key])
def test_each_place_is_in_the_translation(key: str) -> None:
    places = re.findall(r"\{(\d+)(?::t)?\}", german.TABLE[key])
    assert sorted(map(int, places)) == list(range(key.count(PLACE)))


def test_ends_and_spaces_are_as_in_english() -> None:
    wrong = [
        key
        for key, text in german.TABLE.items()
        if key.endswith((".", "?", "…")) != text.endswith((".", "?", "…")) or key[:1].isspace() != text[:1].isspace()
    ]
    assert wrong == []


SOURCE = '''
"""Not this."""
LOG = 1
bl_label = "Floor"
KINDS = [("A", "Angle", "In degrees", 0)]
class Op:
    bl_description = "Pick a point"
    asks = ("the floor",)
    def draw(self, layout, name):
        """Nor this."""
        log.info("not this one")
        layout.label(text=f"Shot: {name}")
        layout.prop(self, "x", text="Axis")
        raise BadInputError("Wrong.", "Do it again." if name else "Leave it.")
'''


def test_what_counts_as_a_text() -> None:
    assert texts(SOURCE) == {
        "Floor", "Angle", "In degrees", "Pick a point", "the floor", "Shot: {}", "Axis", "Wrong.",
        "Do it again.", "Leave it.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Generate", "Generieren"),
        # a name stays, also where it is a word of the table
        ("Generate Camera", "Camera generieren"),
        ("Filling 24/49, 11 s left", "Füllen 24/49, noch 11 s"),
        ("Filling 24/49, 11 s left (GPU 1)", "Füllen 24/49, noch 11 s (GPU 1)"),
        ("Filling 24/49 (worker 2)", "Füllen 24/49 (Worker 2)"),
        ("GPU 0: H200, does jobs", "GPU 0: H200, nimmt Jobs an"),
        ("done in 2:05 min, 14:05", "fertig in 2:05 min, 14:05"),
        # sentences one after the other, of one message or of two
        ("The two points are one and the same. Pick two points that are apart.",
         "Die beiden Punkte sind ein und derselbe. Zwei Punkte wählen, die auseinander liegen."),
        ("«hero.B» is not a take camera. Add a take camera, and animate that one.",
         "«hero.B» ist keine Take-Kamera. Eine Take-Kamera hinzufügen und diese animieren."),
        # what is not known stays, beside what is
        ("No plate is chosen. Nobody wrote this. Open one in the panel Plate.",
         "Keine Plate ist gewählt. Nobody wrote this. Im Panel Plate eine öffnen."),
        ("Depth: 62% is measured, the rest estimated.", "Tiefe: 62% sind gemessen, der Rest ist geschätzt."),
        ("Geometry: Turns on its place.", "Geometrie: Dreht sich auf der Stelle."),
        ("The colour matrix is not tagged: BT.601 is assumed, as the height is below 720.",
         "Die Farbmatrix ist nicht angegeben: BT.601 wird angenommen, da die Höhe unter 720 ist."),
        ("The colour range is tagged limited: full is used, as was asked for.",
         "Als Farbbereich ist begrenzt angegeben: voll wird benutzt, wie verlangt."),
        ("To download and on disk: about 80.0 GB. Commercial use: no. GPU memory for fast, turbo: 21 GiB; from 6 GiB "
         "on with 18 GiB of main memory, slower.",
         "Herunterzuladen und auf der Platte: etwa 80.0 GB. Kommerzielle Nutzung: nein. GPU-Speicher für fast, turbo: "
         "21 GiB; ab 6 GiB mit 18 GiB Hauptspeicher, langsamer."),
        ("of nothing known", "of nothing known"),
    ],
)  # fmt: skip
def test_texts_that_were_put_together(text: str, wanted: str) -> None:
    assert Translation(german.TABLE).of(text) == wanted


def test_a_pattern_of_many_letters_wins() -> None:
    table = {"{}: {}": "{0}: {1}", "Coverage: {} of {}": "Abdeckung: {0} von {1}"}
    assert Translation(table).of("Coverage: 3 of 4") == "Abdeckung: 3 von 4"
