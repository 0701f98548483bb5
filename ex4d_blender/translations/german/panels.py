# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels, tooltips and texts of panels, properties and preferences."""

TEXTS = {
    "The first that works on this machine": "Der erste, der auf diesem Rechner läuft",
    "On the graphics card's driver": "Mit dem Treiber der Grafikkarte",
    "On the processor": "Auf dem Prozessor",
    "On CUDA; its licence allows research and evaluation only": (
        "Mit CUDA; die Lizenz erlaubt nur Forschung und Erprobung"
    ),
    "{} (Not Offered)": "{0} (nicht angeboten)",
    "The backend does not offer this, or has not said": (
        "Das Backend bietet das nicht an oder hat es noch nicht mitgeteilt"
    ),
    "The best that works here and is free to use": "Das Beste, was hier läuft und frei benutzt werden darf",
    "{}. Measured where the source camera moves": "{0:t}. Gemessen, wo sich die Quellkamera bewegt",
    "Measured from the motion of the source camera, which must not be said to stand still": (
        "Gemessen aus der Bewegung der Quellkamera; sie darf nicht als stillstehend angegeben sein"
    ),
    "Depth Files": "Tiefendateien",
    "Depth from npz, npy, OpenEXR or 16-bit PNG files": "Tiefe aus npz-, npy-, OpenEXR- oder 16-Bit-PNG-Dateien",
    "The last try has failed: the list of jobs tells why.": (
        "Der letzte Versuch ist gescheitert: die Jobliste nennt den Grund."
    ),
    "its packages are being installed": "seine Pakete werden installiert",
    "Blender may not go online: allow it in System, Network, or choose a folder of wheels.": (
        "Blender darf nicht online gehen: in System, Netzwerk erlauben oder einen Ordner mit Wheels wählen."
    ),
    "Better depth and the EX-4D model come from here. The backend tells what there is.": (
        "Bessere Tiefe und das EX-4D-Modell kommen von hier. Das Backend sagt, was es gibt."
    ),
    "Where the backend is installed: an environment of its own; empty for the extension's own folder": (
        "Wo das Backend installiert wird: in eine eigene Umgebung; leer für den Ordner der Erweiterung"
    ),
    "What is installed": "Was installiert wird",
    "Folder of wheels to install from without network; empty to use the package index": (
        "Ordner mit Wheels, um ohne Netz zu installieren; leer für den Paketindex"
    ),
    "Python 3.11 or newer that the environment is made with; empty for Blender's own": (
        "Python 3.11 oder neuer für die Umgebung; leer für Blenders eigenes"
    ),
    "Folder, wheels and Python of the installation": "Ordner, Wheels und Python der Installation",
    (
        "Where the EX-4D model's files are, in any layout; empty for the folder that `ex4d models download` fills. "
        "Counts when the backend starts"
    ): (
        "Wo die Dateien des EX-4D-Modells liegen, in beliebiger Anordnung; leer für den Ordner, den `ex4d models "
        "download` füllt. Gilt ab dem Start des Backends"
    ),
    "Step LoRA": "Step-LoRA",
    "LoRA of Wan 2.1 that distils steps, for the profile Draft. Counts when the backend starts": (
        "LoRA von Wan 2.1, die Schritte spart, für das Profil Draft. Gilt ab dem Start des Backends"
    ),
    "The backend does not run; the first job starts it.": "Das Backend läuft nicht; der erste Job startet es.",
    "Depth and fill models": "Modelle für Tiefe und Füllung",
    "What this computer can do, and the licence of each part": "Was dieser Computer kann, und die Lizenz jedes Teils",
    "A backend of another version runs (process {}).": "Ein Backend einer anderen Version läuft (Prozess {0}).",
    "The backend is starting.": "Das Backend startet.",
    "Press Diagnose to look.": "«Diagnose» drücken, um nachzusehen.",
    "Any Computer": "Jeder Computer",
    "Reconstruction, rendering and preview fill; 130 MB to download, 420 MB on disk": (
        "Rekonstruktion, Rendern und Vorschaufüllung; 130 MB herunterzuladen, 420 MB auf dem Datenträger"
    ),
    "NVIDIA GPU": "NVIDIA-GPU",
    "With PyTorch and what models need besides; {} more to download, about twice that on disk": (
        "Mit PyTorch und allem, was Modelle sonst brauchen; {0:t} mehr herunterzuladen, etwa doppelt so viel auf dem "
        "Datenträger"
    ),
    "NVIDIA GPU, with MoGe": "NVIDIA-GPU, mit MoGe",
    "The same, and what MoGe-2 needs besides; {} more to download": (
        "Dasselbe und was MoGe-2 sonst braucht; {0:t} mehr herunterzuladen"
    ),
    "Backend {} runs (process {}).": "Backend {0} läuft (Prozess {1}).",
    "Renders on: {}": "Rendert mit: {0:t}",
    "Look Again": "Erneut suchen",
    "Memory: {} GiB": "Speicher: {0} GiB",
    "Memory: unknown": "Speicher: unbekannt",
    "GPU: {}": "GPU: {0}",
    "The Plate's": "Das der Plate",
    "Takes are drawn through the plate's lens, as the plate is": (
        "Takes werden durch das Objektiv der Plate gezeichnet, wie die Plate"
    ),
    "Takes are drawn as a pinhole camera sees": "Takes werden gezeichnet, wie eine Lochkamera sieht",
    "EXR files in the plate's primaries": "EXR-Dateien in den Primärfarben der Plate",
    "Plate's Curve": "Kurve der Plate",
    "The plate's own log or HDR codes in files of 16 bits": "Die Log- oder HDR-Codes der Plate in 16-Bit-Dateien",
    "All frames of the plate": "Alle Frames der Plate",
    "Preview Range": "Vorschaubereich",
    "Those of the plate's frames that are in the timeline's preview range": (
        "Die Frames der Plate, die im Vorschaubereich der Zeitleiste liegen"
    ),
    "Frame Range": "Framebereich",
    "From one frame of the scene to another": "Von einem Frame der Szene bis zu einem anderen",
    "Lossless; every program reads it": "Verlustfrei; jedes Programm liest es",
    "Lossless; smaller for grainy pictures": "Verlustfrei; kleiner bei körnigen Bildern",
    "Preview Only": "Nur Vorschau",
    "The small preview movie alone": "Nur der kleine Vorschaufilm",
    "ProRes 422 HQ": "ProRes 422 HQ",
    "A movie for editing": "Ein Film für den Schnitt",
    "ProRes 4444": "ProRes 4444",
    "A movie for editing, with alpha": "Ein Film für den Schnitt, mit Alpha",
    "H.265, 10 Bits": "H.265, 10 Bit",
    "A small movie of ten bits": "Ein kleiner Film mit zehn Bit",
    "So many frames before and after the take are delivered too; the strip is trimmed by them": (
        "So viele Frames vor und nach dem Take werden mitgeliefert; der Strip ist um sie gekürzt"
    ),
    "What takes of a plate with a lens are drawn through": (
        "Durch welches Objektiv Takes einer Plate mit Objektiv gezeichnet werden"
    ),
    "What the result's files of log and HDR plates hold": (
        "Was die Dateien des Ergebnisses bei Log- und HDR-Plates enthalten"
    ),
    "EXR Compression": "EXR-Kompression",
    "Compression": "Kompression",
    "How EXR files are compressed": "Wie EXR-Dateien komprimiert werden",
    "AOV Files": "AOV-Dateien",
    "A second EXR sequence with fill, matte, origin, depth, plate positions and motion": (
        "Eine zweite EXR-Sequenz mit Füllung, Matte, Herkunft, Tiefe, Plate-Positionen und Bewegung"
    ),
    "Movie of the result for editing": "Film des Ergebnisses für den Schnitt",
    "The plate's sound goes into the movies": "Der Ton der Plate kommt in die Filme",
    "Give the plate's noise to what a model drew": "Dem, was ein Modell gezeichnet hat, das Rauschen der Plate geben",
    "Match Colours": "Farben angleichen",
    "Take a model's shift of colours off its fill": "Die Farbverschiebung eines Modells aus seiner Füllung nehmen",
    "How pixels that were never seen are filled: a profile of the backend": (
        "Womit nie gesehene Pixel gefüllt werden: ein Profil des Backends"
    ),
    "How pixels that were never seen are filled": "Womit nie gesehene Pixel gefüllt werden",
    "Start of the generator's random numbers: the same seed makes the same fill, another one a variation": (
        "Startwert der Zufallszahlen des Generators: gleicher Wert gleiche Füllung, anderer Wert eine Variante"
    ),
    "What the picture shows, for generators that take a prompt": (
        "Was das Bild zeigt, für Generatoren, die einen Prompt nehmen"
    ),
    "Which of the plate's frames are generated": "Welche Frames der Plate generiert werden",
    "First scene frame to generate": "Erster zu generierender Frame der Szene",
    "Last scene frame to generate": "Letzter zu generierender Frame der Szene",
    "Mask Strip": "Masken-Strip",
    "Add the validity mask, muted, above the result": "Die Gültigkeitsmaske stumm über dem Ergebnis hinzufügen",
    "Colour Strip": "Farb-Strip",
    "Add the render without fill, muted, above the result": (
        "Das Rendering ohne Füllung stumm über dem Ergebnis hinzufügen"
    ),
    "What renders colour and mask": "Was Farbe und Maske rendert",
    "As Named": "Laut Datei",
    "Depth, unless the file says disparity": "Tiefe, außer die Datei sagt Disparität",
    "Distance along the camera's axis": "Abstand entlang der Kameraachse",
    "One over the distance": "Eins durch den Abstand",
    "Solved from the plate; a shot that was reconstructed before keeps its camera": (
        "Aus der Plate gelöst; ein früher rekonstruierter Shot behält seine Kamera"
    ),
    "Solved from the plate: whether it stands still, turns on its place, or moves": (
        "Aus der Plate gelöst: ob sie stillsteht, sich auf der Stelle dreht oder sich bewegt"
    ),
    "The source camera turns on its place, as in a pan or tilt": (
        "Die Quellkamera dreht sich auf der Stelle, wie bei einem Schwenk"
    ),
    "The source camera moves": "Die Quellkamera bewegt sich",
    "Stands Still": "Steht still",
    "The source camera stands still; its motion is not solved": (
        "Die Quellkamera steht still; ihre Bewegung wird nicht gelöst"
    ),
    "Camera File": "Kameradatei",
    "A trajectory file: its cameras stay, frames that it lacks are solved around them": (
        "Eine Trajektorie-Datei: ihre Kameras bleiben, fehlende Frames werden um sie herum gelöst"
    ),
    "Camera Object": "Kameraobjekt",
    "A camera of this file, such as one that was imported: it stays as it moves": (
        "Eine Kamera dieser Datei, etwa eine importierte: sie bleibt, wie sie sich bewegt"
    ),
    "Field of view over the longer side": "Bildwinkel über die längere Seite",
    "Focal length of the lens, and width of what the frame shows of the sensor": (
        "Brennweite des Objektivs und die Breite des Sensors, die das Bild zeigt"
    ),
    "Shot Folder": "Shot-Ordner",
    (
        "Where depth, mesh and takes are kept; empty for the folder that the panel shows: beside the .blend, or beside "
        "the plate while the .blend has no name"
    ): (
        "Wo Tiefe, Mesh und Takes liegen; leer für den Ordner, den das Panel zeigt: neben der .blend oder, solange "
        "sie keinen Namen hat, neben der Plate"
    ),
    "Where the next reconstruction goes": "Wohin die nächste Rekonstruktion geht",
    "Where depth comes from: auto, FILES, or an estimator of the backend": (
        "Woher Tiefe kommt: auto, FILES oder ein Verfahren des Backends"
    ),
    "Where depth comes from": "Woher Tiefe kommt",
    "Depth maps: a file, a folder, or a pattern such as depth.####.exr": (
        "Tiefenkarten: eine Datei, ein Ordner oder ein Muster wie depth.####.exr"
    ),
    "Whether the files hold depth or disparity": "Ob die Dateien Tiefe oder Disparität enthalten",
    "Depth, or disparity, that a value of 1 in the files means": (
        "Tiefe oder Disparität, die der Wert 1 in den Dateien bedeutet"
    ),
    "Trajectory file with the source camera's lens and poses": (
        "Trajektorie-Datei mit Objektiv und Posen der Quellkamera"
    ),
    "How the plate's camera moved: its path is solved from the plate or given, and depth measured where it moved": (
        "Wie sich die Kamera der Plate bewegt hat: ihr Weg wird aus der Plate gelöst oder angegeben, und Tiefe "
        "gemessen, wo sie sich bewegt hat"
    ),
    "The camera that filmed the plate, moving as the scene's frames do": (
        "Die Kamera, die die Plate gefilmt hat, bewegt wie die Frames der Szene"
    ),
    (
        "Pictures of what moves by itself, white on black, one for each frame: a movie, or a picture of a sequence; "
        "empty where it is to be found. For depth that is measured where the camera moves"
    ): (
        "Bilder dessen, was sich selbst bewegt, weiß auf schwarz, eines je Frame: ein Film oder ein Bild einer "
        "Sequenz; leer, wo es gefunden werden soll. Für Tiefe, die bei bewegter Kamera gemessen wird"
    ),
    "Known Lens": "Bekanntes Objektiv",
    "Give the lens of the plate's camera; otherwise it is solved, or assumed": (
        "Das Objektiv der Plate angeben; sonst wird es gelöst oder angenommen"
    ),
    "Given In": "Angabe in",
    "Whether the lens is given by its focal length and sensor, or by its field of view": (
        "Ob das Objektiv durch Brennweite und Sensor oder durch den Bildwinkel angegeben wird"
    ),
    "Focal Length": "Brennweite",
    "Focal length of the plate's lens, in millimetres": "Brennweite des Objektivs der Plate in Millimetern",
    "Sensor Width": "Sensorbreite",
    "Millimetres of the sensor that the frame's width shows; of an anamorphic lens, times its squeeze": (
        "Millimeter des Sensors, die die Breite des Bildes zeigt; bei Anamorphoten mal Entzerrungsfaktor"
    ),
    "Field of View": "Bildwinkel",
    "Field of view of the plate, over its longer side": "Bildwinkel der Plate über ihre längere Seite",
    "Smallest Angle": "Kleinster Winkel",
    "Faces with a smaller angle, in degrees, are holes": "Flächen mit einem kleineren Winkel, in Grad, sind Löcher",
    "Depth Ratio": "Tiefenverhältnis",
    "Faces whose corners' distances have a larger ratio are holes": (
        "Flächen, deren Ecken in größerem Verhältnis entfernt sind, sind Löcher"
    ),
    (
        "How deep things are thought to be, as a share of their width in the picture. What is farther behind them, and "
        "was seen beside them, stays; larger values make larger holes"
    ): (
        "Für wie tief Dinge gehalten werden, als Anteil ihrer Breite im Bild. Was weiter hinter ihnen liegt und "
        "neben ihnen gesehen wurde, bleibt; größere Werte machen größere Löcher"
    ),
    "Proxy Size": "Proxy-Größe",
    "Vertices along the longer side of the mesh in Blender; renders always use the full plate": (
        "Vertices entlang der längeren Seite des Meshs in Blender; gerendert wird immer mit der vollen Plate"
    ),
    "Match Scene Automatically": "Szene automatisch anpassen",
    "Set the scene's resolution, rate, range and view transform to the plate's as soon as it is there": (
        "Auflösung, Bildrate, Bereich und View Transform der Szene auf die der Plate setzen, sobald sie da ist"
    ),
    "Transparent Holes": "Löcher durchsichtig",
    "See through what the plate never showed; otherwise it has the hole colour": (
        "Durch das hindurchsehen, was die Plate nie gezeigt hat; sonst hat es die Lochfarbe"
    ),
    "Hole Colour": "Lochfarbe",
    "Colour of what the plate never showed": "Farbe dessen, was die Plate nie gezeigt hat",
    (
        "Draw over the plate, through the source camera, what its solve has followed: green to yellow by error, red "
        "what moves by itself, blue what stands on the screen"
    ): (
        "Durch die Quellkamera über die Plate zeichnen, was ihre Lösung verfolgt hat: grün bis gelb nach Fehler, "
        "rot, was sich selbst bewegt, blau, was am Bildschirm steht"
    ),
    "Clipped in 8-bit movies, kept in others": "In 8-Bit-Filmen abgeschnitten, in anderen behalten",
    "Values beyond black and white are clipped": "Werte jenseits von Schwarz und Weiß werden abgeschnitten",
    "Values beyond black and white are kept; the result then is scene-linear": (
        "Werte jenseits von Schwarz und Weiß bleiben; das Ergebnis ist dann szenenlinear"
    ),
    "A pinhole: the plate has no distortion, or it was taken off": (
        "Lochkamera: die Plate hat keine Verzeichnung, oder sie wurde herausgerechnet"
    ),
    "Movie Clip": "Movie Clip",
    "Distortion, focal length and principal point of the plate's Movie Clip": (
        "Verzeichnung, Brennweite und Bildhauptpunkt des Movie Clips der Plate"
    ),
    "A lens file: this program's JSON, or a calibration that OpenCV saved": (
        "Eine Objektivdatei: das JSON dieses Programms oder eine von OpenCV gespeicherte Kalibrierung"
    ),
    "Movie or image sequence to re-shoot": "Film oder Bildsequenz, die neu gedreht wird",
    "Frames to use by the plate's own numbers, such as 1001-1049; empty for all": (
        "Zu verwendende Frames in der Zählung der Plate, etwa 1001-1049; leer für alle"
    ),
    "Frame Rate": "Bildrate",
    "Frames per second of an image sequence; empty for a movie's own": (
        "Bilder pro Sekunde einer Bildsequenz; leer für die eines Films"
    ),
    "Start Frame": "Erster Frame",
    "Number of a movie's first frame": "Nummer des ersten Frames eines Films",
    "Solved Clip": "Gelöster Clip",
    "Clip whose solved camera is the source camera": "Clip, dessen gelöste Kamera die Quellkamera ist",
    "Use Solved Camera": "Gelöste Kamera verwenden",
    "Take the source camera from the clip's camera solution": "Die Quellkamera aus der Kameralösung des Clips nehmen",
    "Colour Space": "Farbraum",
    (
        "Of the plate: a name or alias in its OpenColorIO configuration, or a name of Blender's own; empty for what "
        "the file says"
    ): (
        "Farbraum der Plate: ein Name oder Alias aus ihrer OpenColorIO-Konfiguration oder einer von Blender; leer "
        "für das, was die Datei sagt"
    ),
    "Layer of EXR files with several; empty for the picture without a layer's name": (
        "Layer von EXR-Dateien mit mehreren; leer für das Bild ohne Layernamen"
    ),
    "So many frames before and after Frames are reconstructed too, where the plate has them": (
        "So viele Frames vor und nach «Frames» werden mit rekonstruiert, wo die Plate sie hat"
    ),
    "Pixel Aspect": "Pixel-Aspekt",
    "Width of a pixel divided by its height, such as 2 or 4/3; empty for what the file says": (
        "Breite eines Pixels durch seine Höhe, etwa 2 oder 4/3; leer für das, was die Datei sagt"
    ),
    "What becomes of a movie's values beyond black and white": (
        "Was mit den Werten eines Films jenseits von Schwarz und Weiß geschieht"
    ),
    "The lens that the plate was taken through": "Das Objektiv, durch das die Plate gefilmt wurde",
    "Lens File": "Objektivdatei",
    "File of the lens distortion: JSON, YAML or XML": "Datei der Objektivverzeichnung: JSON, YAML oder XML",
    "Show this step of the work": "Diesen Arbeitsschritt zeigen",
    "Zoom In": "Zoom hinein",
    "Zoom Out": "Zoom hinaus",
    "Dolly In": "Ranfahrt",
    "Dolly Out": "Rückfahrt",
    "Figure Eight": "Acht",
    "How far the camera turns": "Wie weit sich die Kamera dreht",
    "How far the camera goes, in per cent of the distance to the pivot": (
        "Wie weit die Kamera fährt, in Prozent des Abstands zum Drehpunkt"
    ),
    "As Filmed": "Wie gefilmt",
    "The move rides on the source camera's own path, or leaves it out: Follow Source": (
        "Die Fahrt liegt auf dem Weg der Quellkamera oder lässt ihn weg: «Quelle folgen»"
    ),
    "The move rides on the source camera's path, smoothed": "Die Fahrt liegt auf dem geglätteten Weg der Quellkamera",
    "The move starts from where the source camera was in one frame, and stays there": (
        "Die Fahrt beginnt da, wo die Quellkamera in einem Frame war, und bleibt dort"
    ),
    "A share from 0, as filmed, to 1, straight and even from the first camera to the last": (
        "Ein Anteil von 0, wie gefilmt, bis 1, gerade und gleichmäßig von der ersten zur letzten Kamera"
    ),
    "So many seconds are averaged: the width of a Gaussian": (
        "So viele Sekunden werden gemittelt: die Breite einer Gaußkurve"
    ),
    "The easing that the move comes with": "Die Beschleunigung, die die Fahrt mitbringt",
    "Even speed": "Gleichmäßig",
    "Ease In": "Sanft anfahren",
    "Starts slowly": "Beginnt langsam",
    "Ease Out": "Sanft abbremsen",
    "Ends slowly": "Endet langsam",
    "Ease In and Out": "Beides sanft",
    "Starts and ends slowly": "Beginnt und endet langsam",
    "The camera of the take «{}» is missing.": "Die Kamera des Takes «{0}» fehlt.",
    "Choose another camera for the take, tick Scene Camera with Markers, or remove the take.": (
        "Eine andere Kamera für den Take wählen, «Szenenkamera mit Markern» anwählen oder den Take entfernen."
    ),
    "The released EX-4D's camera path {}": "Kamerafahrt {0} des veröffentlichten EX-4D",
    "Name of the version's folder, such as v001": "Name des Versionsordners, etwa v001",
    "Folder of the delivered files": "Ordner der ausgelieferten Dateien",
    "Made By": "Gefüllt von",
    "What filled the pixels that the plate never showed": "Was die Pixel gefüllt hat, die die Plate nie gezeigt hat",
    "Mean share of filled pixels": "Mittlerer Anteil gefüllter Pixel",
    "Filled From": "Gefüllt aus",
    "Where the filled pixels come from, in words": "Woher die gefüllten Pixel kommen, in Worten",
    "What should be known of how Blender shows it": "Was man darüber wissen sollte, wie Blender es zeigt",
    "Folder within the version's with its AOV files": "Ordner mit den AOV-Dateien im Ordner der Version",
    "File within the version's folder: its movie for editing": "Datei im Ordner der Version: ihr Film für den Schnitt",
    "When it was finished, ISO 8601 in UTC": "Wann sie fertig wurde, ISO 8601 in UTC",
    "The move of its camera, such as orbit:30": "Die Fahrt ihrer Kamera, etwa orbit:30",
    "What its record tells of how it was made": "Was ihre Daten darüber sagen, wie sie entstand",
    "Name of the generator": "Name des Generators",
    "Use this value; otherwise the generator decides": "Diesen Wert verwenden; sonst entscheidet der Generator",
    "Value of a whole number": "Wert einer ganzen Zahl",
    "Value of a number": "Wert einer Zahl",
    "Value of an option that is on or off": "Wert einer Option, die an oder aus ist",
    "Value of a text, of a choice, or of a size such as 832x480": (
        "Wert eines Textes, einer Auswahl oder einer Größe wie 832x480"
    ),
    "Value of an option that is a file": "Wert einer Option, die eine Datei ist",
    "Value of an option that is one of several": "Wert einer Option, die eine von mehreren ist",
    "The camera of this take": "Die Kamera dieses Takes",
    "Follow the scene's active camera, as markers switch it": (
        "Der aktiven Kamera der Szene folgen, wie Marker sie umschalten"
    ),
    "The Empty of the shot that this take is of": "Das Empty des Shots, zu dem dieser Take gehört",
    "Show this version in the sequencer, in place of the take's others": (
        "Diese Version im Sequencer zeigen, anstelle der anderen des Takes"
    ),
    "How the new camera moves": "Wie sich die neue Kamera bewegt",
    "How the move is spread over its frames": "Wie sich die Fahrt über ihre Frames verteilt",
    "Follow Source": "Quelle folgen",
    "Ride on the source camera's own motion; off takes it out": (
        "Auf der eigenen Bewegung der Quellkamera fahren; aus nimmt sie heraus"
    ),
    "What becomes of the source camera's own motion": "Was aus der eigenen Bewegung der Quellkamera wird",
    "Smooth By": "Glätten nach",
    "Whether smoothing is given as a share, or as the time that is averaged": (
        "Ob die Glättung als Anteil angegeben wird oder als Zeit, über die gemittelt wird"
    ),
    "Share of the smoothing: 0 as filmed, 1 straight and even": (
        "Anteil der Glättung: 0 wie gefilmt, 1 gerade und gleichmäßig"
    ),
    "Level Horizon": "Horizont ausrichten",
    "Turn the camera about its axis until it is level": "Die Kamera um ihre Achse drehen, bis sie waagerecht steht",
    "First Frame": "Erster Frame",
    "Hold the source camera where it was in the shot's first frame": (
        "Die Quellkamera da festhalten, wo sie im ersten Frame des Shots war"
    ),
    "Scene frame whose source camera is held, so that this frame matches": (
        "Frame der Szene, dessen Quellkamera festgehalten wird, sodass dieser Frame passt"
    ),
    "How much a hand-held camera sways and turns": "Wie stark eine Handkamera schwankt und sich dreht",
    "Start of the random sway: another number gives another sway of the same strength": (
        "Startwert des zufälligen Schwankens: ein anderer Wert schwankt anders, gleich stark"
    ),
    "How much of the scene the previews of takes hide": "Wie stark die Vorschau eines Takes die Szene verdeckt",
    (
        "Render the chosen take's preview again by itself when keys, modifiers or lens of its camera have changed and "
        "rested for 0.3 seconds"
    ): (
        "Die Vorschau des gewählten Takes von selbst neu rendern, wenn sich Keyframes, Modifikatoren oder Objektiv "
        "seiner Kamera geändert und 0,3 Sekunden geruht haben"
    ),
    "Coverage Bar": "Abdeckungsleiste",
    "Draw at the foot of the viewport how much of each frame was seen": (
        "Am Fuß des Viewports zeichnen, wie viel von jedem Frame gesehen wurde"
    ),
    "A length that is known, such as a person's height or a door's; then pick its two ends": (
        "Eine bekannte Länge, etwa die Größe einer Person oder Tür; dann ihre beiden Enden wählen"
    ),
    "How high above the floor the source camera stood at this frame": (
        "Wie hoch die Quellkamera in diesem Frame über dem Boden stand"
    ),
    "Preview out of date: it shows a former move": "Vorschau veraltet: sie zeigt eine frühere Fahrt",
    "Coverage: {} on average, {} at least ({})": "Abdeckung: {0} im Mittel, mindestens {1} ({2:t})",
    "{}. The move reveals {}; {} no frame has in its view": "{0:t}. Die Fahrt legt {1} frei; {2} sieht kein Frame",
    "frame {}": "Frame {0}",
    "frame {}, the plate's {}": "Frame {0}, in der Plate {1}",
    "{}: coverage {}": "{0:t}: Abdeckung {1}",
    "{}, out of date": "{0:t}, veraltet",
    "{} {} in the list of models above.": "{0:t} {1} in der Liste der Modelle oben.",
    "Seen by the plate": "Von der Plate gesehen",
    "Hole, to be filled": "Loch, wird gefüllt",
    "Half as wide as in the plate": "Halb so breit wie in der Plate",
    "As wide": "Gleich breit",
    "Twice as wide": "Doppelt so breit",
    "Four times, or seen from behind": "Viermal, oder von hinten gesehen",
    "{} The backend computes depth, mesh and takes.": "{0:t} Das Backend berechnet Tiefe, Mesh und Takes.",
    "Open Preferences": "Einstellungen öffnen",
    "EX-4D Plate (Movie, Pictures)": "EX-4D-Plate (Film, Bilder)",
    "EX-4D Take Camera": "EX-4D-Take-Kamera",
    "Use as EX-4D Plate": "Als EX-4D-Plate verwenden",
    "These are the results of «{}».": "Das sind die Ergebnisse von «{0}».",
    "CG in the Plate": "CG in der Plate",
    "Add Hand-Held": "Handkamera hinzufügen",
    "Go There": "Dorthin",
    "Hide": "Verbergen",
    "Apply": "Anwenden",
    "Pick": "Wählen",
    "Cursor": "Cursor",
    "Back to the Scene": "Zurück zur Szene",
    "Render Image renders these results now, not «{}».": "«Bild rendern» rendert jetzt diese Ergebnisse, nicht «{0}».",
    "Render Image renders «{}»; Render Sequencer Image renders these results.": (
        "«Bild rendern» rendert «{0}»; «Render Sequencer Image» rendert diese Ergebnisse."
    ),
    "Reconstruct a plate first.": "Zuerst eine Plate rekonstruieren.",
    "The backend has not offered «{}».": "Das Backend bietet «{0}» nicht an.",
    "The timeline has no preview range.": "Die Zeitleiste hat keinen Vorschaubereich.",
    "nvdiffrast is licensed for research and evaluation only.": (
        "nvdiffrast ist nur für Forschung und Erprobung lizenziert."
    ),
    "Of the shot {}": "Vom Shot {0}",
    "Depth: {}": "Tiefe: {0:t}",
    "Camera: {}": "Kamera: {0:t}",
    "{} of memory, {} on disk": "{0} Speicher, {1} auf dem Datenträger",
    "Goes to {}": "Kommt nach {0}",
    "Between the camera and the mesh: {}{}": "Zwischen Kamera und Mesh: {0}{1}",
    "The mesh's files are not where they were.": "Die Dateien des Meshs sind nicht mehr an ihrem Platz.",
    "The startup scene's {} is hidden: the camera stands in it.": (
        "{0} aus der Startszene ist ausgeblendet: die Kamera steht darin."
    ),
    "Timecode: {}": "Timecode: {0}",
    "Scene frames {}-{} show the plate's {}-{}.": "Szenen-Frames {0}-{1} zeigen {2}-{3} der Plate.",
    "Solve Again": "Erneut lösen",
    "Get Better Depth…": "Bessere Tiefe holen…",
    "Notes and Details": "Hinweise und Details",
    "Source camera: as given.": "Quellkamera: wie angegeben.",
    "Source camera: taken to stand still.": "Quellkamera: als stillstehend angenommen.",
    "Give the Field of View": "Bildwinkel angeben",
    "Use a Solved Movie Clip": "Gelösten Movie Clip verwenden",
    "Reconstruct Again": "Erneut rekonstruieren",
    "Look Through": "Durchblicken",
    "Frames {}-{}": "Frames {0}-{1}",
    "«{}» was not finished when Blender closed. Start it again; its stages are kept.": (
        "«{0}» war nicht fertig, als Blender beendet wurde. Noch einmal starten; fertige Stufen bleiben."
    ),
    "No jobs.": "Keine Jobs.",
    "«{}» goes on.": "«{0:t}» läuft weiter.",
    "«{}» is done.": "«{0:t}» ist fertig.",
    "Its result comes when {} is open again.": "Das Ergebnis kommt, wenn {0} wieder offen ist.",
    "Its file was not saved: what it makes stays in the shot's folder.": (
        "Die Datei wurde nicht gespeichert: was entsteht, bleibt im Ordner des Shots."
    ),
    "«{}» is done: {}": "«{0:t}» ist fertig: {1:t}",
    "a file that was not saved": "eine nicht gespeicherte Datei",
    "Open {}": "{0} öffnen",
    "Reconstruct the plate first.": "Zuerst die Plate rekonstruieren.",
    "Reconstruct makes a new shot of it. {} stays as it is.": (
        "«Rekonstruieren» macht daraus einen neuen Shot. {0} bleibt, wie er ist."
    ),
    "The mesh is made from {}. Reconstruct takes this plate.": (
        "Das Mesh stammt aus {0}. «Rekonstruieren» nimmt diese Plate."
    ),
    "Colour: {} ({})": "Farbe: {0} ({1:t})",
    "as chosen": "wie gewählt",
    "The plate is no Movie Clip.": "Die Plate ist kein Movie Clip.",
    "Back to Its Plate": "Zurück zu seiner Plate",
    "The .blend has moved, its shot is still in {}.": "Die .blend ist umgezogen, ihr Shot ist noch in {0}.",
    "{} shots of other files lie in the extension's folder and go with it.": (
        "{0} Shots anderer Dateien liegen im Ordner der Erweiterung und verschwinden mit ihr."
    ),
    "This shot lies in the extension's folder, which goes when the extension is removed.": (
        "Dieser Shot liegt im Ordner der Erweiterung, der mit ihr entfernt wird."
    ),
    "Shot: {}": "Shot: {0}",
    "Geometry: {}": "Geometrie: {0:t}",
    "Takes ({})": "Takes ({0})",
    "Colour without Fill": "Farbe ohne Füllung",
    "Select the strip of a take to redo it.": "Den Strip eines Takes auswählen, um ihn zu wiederholen.",
    "Strips show pictures from the cache, which may be cleaned.": (
        "Strips zeigen Bilder aus dem Cache, der aufgeräumt werden kann."
    ),
    "Its camera is missing: choose one, or remove the take.": (
        "Seine Kamera fehlt: eine wählen oder den Take entfernen."
    ),
    "The preview is out of date: the move has changed.": "Die Vorschau ist veraltet: die Fahrt hat sich geändert.",
    "New takes are of the shot {}.": "Neue Takes gehören zum Shot {0}.",
    "Camera, Hand-Held": "Kamera, Handkamera",
    "Easing, Path, Other Cameras": "Verlauf, Weg, andere Kameras",
    "Find Takes ({})": "Takes finden ({0})",
    "From Selected": "Aus Auswahl",
    "{} % filled by {}": "{0} % gefüllt von {1:t}",
    "{}, seed {}": "{0:t}, Startwert {1}",
    "Prompt: {}": "Prompt: {0}",
    "AOV files: {}": "AOV-Dateien: {0}",
    "Movie: {}": "Film: {0}",
    "Put into Sequencer": "In den Sequencer",
    "A/B Plate": "A/B Plate",
    "A/B Last Version": "A/B Vorversion",
    "measured, {}": "gemessen, {0}",
    "Camera: {} above Z = 0": "Kamera: {0} über Z = 0",
    "picked, {}": "gewählt, {0}",
    "Pivot: {}": "Drehpunkt: {0:t}",
    "Pick Landmarks Again": "Landmarken neu wählen",
    "By Root": "Nach Wurzel",
    "By Landmarks": "Nach Landmarken",
    "{} is done": "{0} ist fertig",
    "{} is up to date": "{0} ist aktuell",
    "{}: none at frame {}": "{0:t}: in Frame {1} nichts",
    "{}: cannot be read": "{0:t}: nicht lesbar",
    "{}: frame {}": "{0:t}: Frame {1}",
    "Automatic": "Automatisch",
    "OpenGL": "OpenGL",
    "Embree": "Embree",
    "Parallax": "Parallaxe",
    "Pause": "Anhalten",
    "Resume": "Fortsetzen",
    "Get": "Holen",
    "Folder": "Ordner",
    "For": "Für",
    "Wheels": "Wheels",
    "Python": "Python",
    "Advanced": "Erweitert",
    "None": "Keines",
    "Scene-Linear": "Szenenlinear",
    "All": "Alle",
    "Handles": "Handles",
    "Lens": "Objektiv",
    "Pictures": "Bilder",
    "Movie": "Film",
    "Sound": "Ton",
    "Grain": "Filmkorn",
    "Prompt": "Prompt",
    "Range": "Bereich",
    "End": "Ende",
    "Rasterizer": "Rasterizer",
    "Job": "Job",
    "Line": "Zeile",
    "Disparity": "Disparität",
    "Solve": "Lösen",
    "Turns": "Dreht sich",
    "Angle": "Winkel",
    "Millimetres": "Millimeter",
    "Encoding": "Kodierung",
    "Scale": "Skalierung",
    "Camera": "Kamera",
    "Mattes": "Mattes",
    "Thickness": "Dicke",
    "Tracks": "Tracks",
    "Default": "Standard",
    "Keep": "Behalten",
    "File": "Datei",
    "Frames": "Frames",
    "Layer": "Layer",
    "Over-Range": "Übersteuerung",
    "Colour Matrix": "Farbmatrix",
    "Colour Range": "Farbbereich",
    "BT.601": "BT.601",
    "BT.709": "BT.709",
    "BT.2020": "BT.2020",
    "Limited": "Begrenzt",
    "Full": "Voll",
    "Of a movie's luma and chroma, before what the movie says": (
        "Von Luma und Chroma eines Films, vor dem, was der Film sagt"
    ),
    "Of a movie's luma and chroma codes, before what the movie says": (
        "Der Luma- und Chroma-Codes eines Films, vor dem, was der Film sagt"
    ),
    "As the movie says; else BT.709 from a height of 720 on, BT.601 below": (
        "Wie der Film sagt; sonst BT.709 ab einer Höhe von 720, darunter BT.601"
    ),
    "As the movie says; else limited": "Wie der Film sagt; sonst begrenzt",
    "Of standard definition": "Von SD",
    "Of high definition": "Von HD",
    "Of wide gamuts and HDR": "Von weiten Gamuts und HDR",
    "Black and white are the codes 16 and 235, of 8 bits": "Schwarz und Weiß sind die Codes 16 und 235, bei 8 Bit",
    "Black and white are the lowest and the highest code": "Schwarz und Weiß sind der kleinste und der größte Code",
    "Open": "Offen",
    "Orbit": "Orbit",
    "Truck": "Seitfahrt",
    "Crane": "Kranfahrt",
    "Pan": "Schwenk",
    "Tilt": "Neigen",
    "Hold": "Halten",
    "Factor": "Faktor",
    "Distance": "Entfernung",
    "Stabilised": "Stabilisiert",
    "Locked": "Fixiert",
    "Amount": "Stärke",
    "Seconds": "Sekunden",
    "Linear": "Linear",
    "Version": "Version",
    "Profile": "Profil",
    "Options": "Optionen",
    "Generated": "Generiert",
    "Strip": "Strip",
    "Note": "Hinweis",
    "Passes": "Passes",
    "Notes": "Hinweise",
    "Given": "Angegeben",
    "Value": "Wert",
    "Easing": "Verlauf",
    "Path": "Weg",
    "Frame": "Frame",
    "Opacity": "Deckkraft",
    "Live": "Live",
    "Guessed": "Geschätzt",
    "Shots": "Shots",
    "World": "Welt",
    "Jobs": "Jobs",
    "Output": "Ausgabe",
    "Film": "Film",
    "Settings": "Einstellungen",
    "Takes": "Takes",
    "Add": "Hinzufügen",
    "Result": "Ergebnis",
    "Mask": "Maske",
    "Shows": "Zeigt",
    "Flip": "Tauschen",
    "A strip of a take is in this scene: it renders it in place of its objects.": (
        "Ein Strip eines Takes ist in dieser Szene: sie rendert ihn anstelle ihrer Objekte."
    ),
    "{} strips of takes are in this scene: it renders them in place of its objects.": (
        "{0} Strips von Takes sind in dieser Szene: sie rendert sie anstelle ihrer Objekte."
    ),
    "{}{}. Licence: {}.": "{0}{1}. Lizenz: {2}.",
    "Geometry": "Geometrie",
    "OK": "OK",
    "The best that works here and is free to use: {}": "Das Beste, was hier läuft und frei benutzt werden darf: {0:t}",
    "Measured": "Gemessen",
    " Licence: {}.": " Lizenz: {0}.",
    "starting": "startet",
    "How many times longer, or shorter, the focal length becomes": "Wievielmal länger oder kürzer die Brennweite wird",
    (
        "Where there are several: all, how many (2) or their numbers (0,2); each does a job of its own at the same "
        "time. Empty for one job at a time. Counts when the backend starts"
    ): (
        "Wo es mehrere gibt: all, wie viele (2) oder ihre Nummern (0,2); jede macht gleichzeitig einen eigenen Job. "
        "Leer für einen Job nach dem anderen. Gilt, wenn das Backend startet"
    ),
    "Comment": "Kommentar",
    "Folder with what it has seen of the mesh, and its depth": (
        "Ordner mit dem, was er vom Mesh gesehen hat, und seiner Tiefe"
    ),
    "Of the move that it shows": "Der Bewegung, die er zeigt",
    "Projection": "Projektion",
    "Your own words on this version; the .blend keeps them": (
        "Eigene Worte zu dieser Version; sie bleiben in der .blend-Datei"
    ),
    "Another frame of the plate": "Anderer Frame der Plate",
    "Filled: {}": "Gefüllt: {0:t}",
    "The plate's own frame": "Frame der Plate selbst",
    "On the mesh: {}": "Auf dem Mesh: {0}",
    "What was seen is out of date: the move has changed.": (
        "Was gesehen wurde, ist veraltet: die Bewegung hat sich geändert."
    ),
}
