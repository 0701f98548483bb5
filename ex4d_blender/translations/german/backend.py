# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend names: stages, profiles, depth, options; and what it has assumed."""

TEXTS = {
    "Reading plate": "Plate lesen",
    "Solving camera": "Kamera lösen",
    "Mesh": "Mesh",
    "Rendering positions": "Positionen rendern",
    "Other frames": "Andere Frames",
    "Filling": "Füllen",
    "Reading take": "Take lesen",
    "Reading prompt": "Prompt lesen",
    "Loading model": "Modell laden",
    "Denoising": "Entrauschen",
    "Decoding": "Dekodieren",
    "Compositing": "Compositing",
    "Exporting": "Exportieren",
    "Writing PLY": "PLY schreiben",
    "Writing PC2": "PC2 schreiben",
    "Writing NPZ": "NPZ schreiben",
    "Downloading": "Herunterladen",
    "Verifying": "Prüfen",
    "Converting": "Umwandeln",
    "Scoring": "Bewerten",
    "Diagnosing": "Diagnose",
    "Freeing memory": "Speicher freigeben",
    "Looking at clips": "Clips ansehen",
    "Drawing masks": "Masken zeichnen",
    "Encoding clips": "Clips kodieren",
    "Training": "Training",
    "EX-4D on Wan 2.1 14B, as released": "EX-4D auf Wan 2.1 14B, wie veröffentlicht",
    "EX-4D on Wan 2.1 14B, 8-bit": "EX-4D auf Wan 2.1 14B, 8 Bit",
    "EX-4D on Wan 2.1 14B, 8-bit, guidance held between steps (lossy)": (
        "EX-4D auf Wan 2.1 14B, 8 Bit, Guidance zwischen Schritten gehalten (verlustbehaftet)"
    ),
    "EX-4D on Wan 2.1 14B, 8-bit, 4 distilled steps": "EX-4D auf Wan 2.1 14B, 8 Bit, 4 destillierte Schritte",
    "Size": "Größe",
    "Steps": "Schritte",
    "Distilling LoRA": "Step-LoRA",
    "GPUs": "GPUs",
    "learned, consistent in time; relative depth": "gelernt, zeitlich stabil; relative Tiefe",
    "learned, consistent in time; relative depth; not for commercial work": (
        "gelernt, zeitlich stabil; relative Tiefe; nicht für kommerzielle Arbeit"
    ),
    "learned frame by frame, steadied along the flow; relative depth": (
        "Frame für Frame gelernt, entlang der Bewegung beruhigt; relative Tiefe"
    ),
    "learned frame by frame, steadied along the flow; relative depth; not for commercial work": (
        "Frame für Frame gelernt, entlang der Bewegung beruhigt; relative Tiefe; nicht für kommerzielle Arbeit"
    ),
    "learned; metres and the lens from key frames, motion from another estimator": (
        "gelernt; Meter und Objektiv aus Schlüsselframes, Bewegung aus einem anderen Verfahren"
    ),
    "learned frame by frame, steadied along the flow; metres and the lens; for research only": (
        "Frame für Frame gelernt, entlang der Bewegung beruhigt; Meter und Objektiv; nur für Forschung"
    ),
    "learned, consistent in time, as the released EX-4D used it; relative depth; for research only": (
        "gelernt, zeitlich stabil, wie im veröffentlichten EX-4D; relative Tiefe; nur für Forschung"
    ),
    "fills what a move reveals: the profiles exact, fast, turbo, draft; needs an NVIDIA GPU": (
        "füllt, was eine Fahrt freilegt: die Profile exact, fast, turbo, draft; braucht eine NVIDIA-GPU"
    ),
    "Commercial use: yes.": "Kommerzielle Nutzung: ja.",
    "Commercial use: no.": "Kommerzielle Nutzung: nein.",
    "Commercial use: read its licence first.": "Kommerzielle Nutzung: zuerst die Lizenz lesen.",
    "GPU memory: not measured.": "GPU-Speicher: nicht gemessen.",
    "GPU memory for {}: {} GiB; from {} GiB on with {} GiB of main memory, slower.": (
        "GPU-Speicher für {0}: {1} GiB; ab {2} GiB mit {3} GiB Hauptspeicher, langsamer."
    ),
    "The colour matrix is not tagged: {} is assumed, as {}.": (
        "Die Farbmatrix ist nicht angegeben: {0} wird angenommen, {1:t}."
    ),
    "The colour matrix is not tagged: {} is used, as was asked for.": (
        "Die Farbmatrix ist nicht angegeben: {0} wird benutzt, wie verlangt."
    ),
    "The colour matrix is tagged {}: {} is used, as was asked for.": (
        "Als Farbmatrix ist {0} angegeben: {1} wird benutzt, wie verlangt."
    ),
    "The colour range is not tagged: {} is used, as was asked for.": (
        "Der Farbbereich ist nicht angegeben: {0:t} wird benutzt, wie verlangt."
    ),
    "The colour range is tagged {}: {} is used, as was asked for.": (
        "Als Farbbereich ist {0:t} angegeben: {1:t} wird benutzt, wie verlangt."
    ),
    "limited": "begrenzt",
    "full": "voll",
    "The movie is RGB or grey: a colour matrix or a colour range that was asked for has no effect.": (
        "Der Film ist RGB oder grau: eine verlangte Farbmatrix oder ein verlangter Farbbereich hat keine Wirkung."
    ),
    "the height is {} {}": "da die Höhe {0:t} {1} ist",
    "at least": "mindestens",
    "below": "unter",
    "{}s are of high definition": "da {0} HD ist",
    "The file names no frame rate: {} fps is assumed.": "Die Datei nennt keine Bildrate: {0} fps werden angenommen.",
    "An image sequence has no frame rate: {} fps is assumed.": (
        "Eine Bildsequenz hat keine Bildrate: {0} fps werden angenommen."
    ),
    "The pixel aspect ratio of the files cannot be: square pixels are assumed.": (
        "Das Pixelseitenverhältnis der Dateien kann nicht sein: quadratische Pixel werden angenommen."
    ),
    "The source camera is assumed to stand still.": "Die Quellkamera wird als stillstehend angenommen.",
    "The curve is tagged, the primaries are not: Rec.2020 is assumed.": (
        "Die Kurve ist angegeben, die Primärfarben nicht: Rec.2020 wird angenommen."
    ),
    "The file does not say which primaries it has: Rec.709 is assumed.": (
        "Die Datei sagt nicht, welche Primärfarben sie hat: Rec.709 wird angenommen."
    ),
    "The tagged primaries (H.273 number {}) are not known: Rec.709 is assumed.": (
        "Die angegebenen Primärfarben (H.273 Nummer {0}) sind nicht bekannt: Rec.709 wird angenommen."
    ),
    "The DPX header says linear and no primaries: Rec.709 is assumed.": (
        "Der DPX-Kopf sagt linear und keine Primärfarben: Rec.709 wird angenommen."
    ),
    "assumed": "angenommen",
    "degrees round the pivot, + to the right": "Grad um den Drehpunkt, + nach rechts",
    "focal length multiplied by": "Brennweite multipliziert mit",
    "focal length divided by": "Brennweite geteilt durch",
    "forward, share of the pivot distance": "vorwärts, Anteil des Abstands zum Drehpunkt",
    "backward, share of the pivot distance": "rückwärts, Anteil des Abstands zum Drehpunkt",
    "to the right, share of the pivot distance": "nach rechts, Anteil des Abstands zum Drehpunkt",
    "up, aiming at the pivot, share of its distance": "nach oben, auf den Drehpunkt gerichtet, Anteil seines Abstands",
    "degrees on the spot, + to the right": "Grad auf der Stelle, + nach rechts",
    "degrees on the spot, + up": "Grad auf der Stelle, + nach oben",
    "degrees of a closed figure eight": "Grad einer geschlossenen Acht",
    "stays on the base camera": "bleibt auf der Ausgangskamera",
    "The lens is not known; a field of view of {}° is assumed.": (
        "Das Objektiv ist nicht bekannt; ein Bildwinkel von {0}° wird angenommen."
    ),
    "Projecting": "Projizieren",
}
